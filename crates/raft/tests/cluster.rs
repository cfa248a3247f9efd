//! Clusters of real masters over loopback: election, forwarding, reads, membership, snapshots,
//! transfer, restart.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use quorate_model::{LogIndex, NodeId, codes};
use quorate_raft::{ProposeError, Role};
use support::{World, eventually, leader_of, put, put_once, revision, value};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_master_keeps_its_state_over_restarts_and_reopens_at_once() {
    let world = World::new();
    let master = world.start(1).await;
    assert!(!master.node.is_initialized().await.unwrap());
    master.node.initialize(&master.addr.to_string()).await.unwrap();
    assert!(master.node.is_initialized().await.unwrap());
    let again = master.node.initialize(&master.addr.to_string()).await.unwrap_err();
    assert_eq!(again.refusal().code, codes::ALREADY_INITIALISED);
    let (addr, mut master) = (master.addr, master);
    for round in 0..5 {
        let outcome = master.node.propose(put("k", &round.to_string())).await.unwrap();
        let read = master.node.linearize().await.unwrap();
        assert_eq!(value(&read, "k"), Some(round.to_string()));
        assert_eq!(read.applied.0, revision(&outcome).0);
        master.stop().await;
        master = world.start_at(1, addr).await;
        assert!(master.report.initialised);
        let read = master.node.linearize().await.unwrap();
        assert_eq!(value(&read, "k"), Some(round.to_string()));
    }
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_opened_by_one_node_at_a_time() {
    let world = World::new();
    let master = world.start(1).await;
    let error = world.open(world.options(1)).await.unwrap_err();
    assert_eq!(error.refusal().code, codes::DATA_FOLDER_IN_USE);
    master.stop().await;
    let (node, _) = world.open(world.options(1)).await.unwrap();
    node.shutdown().await;
}

/// A heartbeat has 40 ms and a vote 120 ms, connecting included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masters_whose_handshake_takes_longer_than_any_deadline_are_connected_all_the_same() {
    let mut world = World::new();
    world.handshake = Duration::from_millis(300);
    let masters = world.start_three().await;
    for master in &masters {
        master.node.propose(put("k", "v")).await.unwrap().unwrap();
    }
    let first = masters.into_iter().next().unwrap();
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_masters_write_through_any_read_from_any_transfer_and_restart() {
    let world = World::new();
    let masters = world.start_three().await;
    let status = masters[0].node.status();
    assert_eq!((status.role, status.voters.len(), status.joint), (Role::Leader, 3, false));

    for (index, master) in masters.iter().enumerate() {
        let key = format!("from-{index}");
        master.node.propose(put(&key, "here")).await.unwrap().unwrap();
        for reader in &masters {
            let state = reader.node.linearize().await.unwrap();
            assert_eq!(value(&state, &key).as_deref(), Some("here"));
        }
    }

    let took = masters[0].node.transfer_leader(NodeId(2)).await.unwrap();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(leader_of(&masters.iter().collect::<Vec<_>>()).await, 1);
    assert!(masters[0].node.transfer_leader(NodeId(3)).await.is_err());
    masters[0].node.propose(put("after", "transfer")).await.unwrap().unwrap();

    let addrs: Vec<_> = masters.iter().map(|master| master.addr).collect();
    for master in masters {
        master.stop().await;
    }
    let mut masters = Vec::new();
    for (node, addr) in (1..).zip(addrs) {
        masters.push(world.start_at(node, addr).await);
    }
    for master in &masters {
        let state = master.node.linearize().await.unwrap();
        assert_eq!(value(&state, "after").as_deref(), Some("transfer"));
        assert_eq!(value(&state, "from-2").as_deref(), Some("here"));
    }
    let states: Vec<_> =
        masters.iter().map(|master| master.node.state().borrow().encode().unwrap()).collect();
    assert!(states.iter().all(|state| *state == states[0]));
    for master in masters {
        master.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_repeated_after_a_failover_is_applied_once() {
    let world = World::new();
    let mut masters = world.start_three().await;
    let first = masters[0].node.propose(put_once("req-1", "k", "v")).await.unwrap();
    let term = masters[0].node.leadership().borrow().unwrap().term;
    masters.remove(0).stop().await;
    let second = masters[0].node.propose(put_once("req-1", "k", "v")).await.unwrap();
    assert_eq!(revision(&first), revision(&second));
    let leading = leader_of(&masters.iter().collect::<Vec<_>>()).await;
    assert!(masters[leading].node.leadership().borrow().unwrap().term > term);
    for master in masters {
        master.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_loses_its_leadership_and_acknowledges_nothing() {
    let world = World::with(|options| options.propose_deadline = Duration::from_secs(3));
    let masters = world.start_three().await;
    world.cut.lock().unwrap().insert(NodeId(1));
    let old = masters[0].node.propose(put("lost", "perhaps")).await;
    assert!(
        matches!(old, Err(ProposeError::OutcomeUnknown { .. } | ProposeError::NoLeader { .. })),
        "{old:?}"
    );
    assert_eq!(*masters[0].node.leadership().borrow(), None);
    // Once it knows, it appends nothing more: what is asked of it was certainly not done.
    let late = masters[0].node.propose(put("late", "never")).await;
    assert!(matches!(late, Err(ProposeError::NoLeader { .. })), "{late:?}");
    masters[1].node.propose(put("k", "new")).await.unwrap().unwrap();
    world.cut.lock().unwrap().clear();
    let state = masters[0].node.linearize().await.unwrap();
    assert_eq!(value(&state, "k").as_deref(), Some("new"));
    assert_eq!(value(&state, "lost"), None);
    assert_eq!(value(&state, "late"), None);
    for master in masters {
        master.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_catches_up_by_snapshot_after_the_log_was_purged() {
    let world = World::with(|options| {
        options.snapshot_after_entries = 100;
        options.keep_entries = 10;
    });
    let mut masters = world.start_three().await;
    for index in 0..300 {
        masters[0].node.propose(put(&format!("k{index}"), "v")).await.unwrap().unwrap();
    }
    masters[0].node.trigger_snapshot().await.unwrap();
    eventually("a purge", || {
        masters[0].node.status().purged.is_some_and(|purged| purged > LogIndex(200))
    })
    .await;

    let new = world.start(4).await;
    masters[0].node.add_learner(NodeId(4), &new.addr.to_string()).await.unwrap();
    masters[0].node.promote(&[NodeId(4)]).await.unwrap();
    masters[0].node.remove_voters(&[NodeId(3)]).await.unwrap();
    assert!(new.node.status().snapshot.is_some());
    let status = masters[0].node.status();
    let voters: Vec<u64> = status.voters.keys().map(|id| id.0).collect();
    assert_eq!((voters, status.learners.len()), (vec![1, 2, 4], 0));
    let state = new.node.linearize().await.unwrap();
    assert_eq!(value(&state, "k299").as_deref(), Some("v"));
    masters.pop().unwrap().stop().await;

    // The new node alone keeps everything over a restart, from its snapshot.
    let addr = new.addr;
    new.stop().await;
    let new = world.start_at(4, addr).await;
    assert!(new.report.snapshot.is_some());
    let state = new.node.linearize().await.unwrap();
    assert_eq!(value(&state, "k0").as_deref(), Some("v"));
    new.stop().await;
    for master in masters {
        master.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_epoch_is_refused() {
    let world = World::new();
    let masters = world.start_three().await;
    let addr = masters[2].addr;
    let mut iter = masters.into_iter();
    let (first, second, third) = (iter.next().unwrap(), iter.next().unwrap(), iter.next().unwrap());
    third.stop().await;
    let mut options = world.options(3);
    options.epoch = quorate_model::Epoch(2);
    options.read_deadline = Duration::from_secs(1);
    let stray = world.start_with(options, addr).await;
    first.node.propose(put("k", "v")).await.unwrap().unwrap();
    assert!(stray.node.linearize().await.is_err());
    assert_eq!(value(&stray.node.state().borrow(), "k"), None);
    for master in [first, second, stray] {
        master.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_setting_is_readable_in_the_folder() {
    let world = World::new();
    let master = world.start(1).await;
    master.node.initialize(&master.addr.to_string()).await.unwrap();
    let secret = "a-very-recognisable-secret";
    master.node.propose(put("needle-key", secret)).await.unwrap().unwrap();
    master.node.trigger_snapshot().await.unwrap();
    master.stop().await;
    let mut files = 0;
    for file in std::fs::read_dir(world.folder(1)).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        files += 1;
        for needle in [secret.as_bytes(), b"needle-key".as_slice()] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle));
        }
    }
    assert_eq!(files, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_clients_write_at_once_and_every_answer_is_in_the_state() {
    let world = World::new();
    let masters = world.start_three().await;
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..64 {
        let node = masters[client % 3].node.clone();
        clients.spawn(async move {
            for index in 0..10 {
                node.propose(put(&format!("c{client}-{index}"), "v")).await.unwrap().unwrap();
            }
        });
    }
    clients.join_all().await;
    let state = masters[1].node.linearize().await.unwrap();
    assert_eq!(state.metadata.settings.len(), 640);
    for master in masters {
        master.stop().await;
    }
}
