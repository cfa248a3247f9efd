//! One of three masters goes on alone, and the others come back as if nothing had happened.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{collections::BTreeMap, net::SocketAddr, path::Path, time::Duration};

use quorate_model::{Epoch, Generation, NodeId, Term, Timestamp, Trouble, TroubleKind};
use quorate_raft::{Held, Place, RaftOptions, Superseded, inspect, purge, rebuild};
use quorate_state::{Command, Proposal};
use support::{Master, World, eventually, leader_of, put, value};

/// Timings for a busy machine: what is tested here is not how soon a leader is replaced.
fn calm(options: &mut RaftOptions) {
    (options.heartbeat_ms, options.election_min_ms, options.election_max_ms) = (200, 1000, 2000);
}

fn place(world: &World, node: u64) -> Place {
    Place {
        cluster: world.cluster,
        node: NodeId(node),
        folder: world.folder(node),
        keyring: world.keyring.clone(),
    }
}

fn recover(epoch: u64, keeper: u64, written_off: &[u64]) -> Proposal {
    Proposal {
        request_id: None,
        at: Timestamp(2_000),
        principal: "system:recover".to_owned(),
        command: Command::Recover {
            epoch: Epoch(epoch),
            keeper: NodeId(keeper),
            written_off: written_off.iter().copied().map(NodeId).collect(),
            plan_sha256: "9f1ac0".to_owned(),
            last_node_id: NodeId(0),
            last_generation: Generation(0),
        },
        digest: None,
        allowed_after: None,
    }
}

/// Every file of a folder with its content.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// What the node holds; looking changes nothing.
fn held(world: &World, node: u64) -> Held {
    let before = content(&world.folder(node));
    let held = inspect(&place(world, node)).unwrap();
    assert!(before == content(&world.folder(node)), "looking has changed the folder of n{node}");
    held
}

/// Makes `node` the only voter, in a folder that takes the place of its own.
fn rebuilt(world: &World, node: u64, addr: SocketAddr, term: Term, command: Proposal) {
    let new = world.root.path().join("raft.new");
    rebuild(&place(world, node), &new, &addr.to_string(), term, command).unwrap();
    std::fs::rename(world.folder(node), world.root.path().join(format!("before-{node}"))).unwrap();
    std::fs::rename(&new, world.folder(node)).unwrap();
}

async fn start_in(world: &World, node: u64, addr: SocketAddr, epoch: u64) -> Master {
    let mut options = world.options(node);
    options.epoch = Epoch(epoch);
    world.start_with(options, addr).await
}

/// Three masters that held `k0` to `k29` and are stopped, and their addresses.
async fn stopped(world: &World) -> [SocketAddr; 3] {
    let masters = world.start_three().await;
    for index in 0..30 {
        masters[0].node.propose(put(&format!("k{index}"), "v")).await.unwrap().unwrap();
    }
    masters[2].node.linearize().await.unwrap();
    let addrs = [masters[0].addr, masters[1].addr, masters[2].addr];
    for master in masters {
        master.stop().await;
    }
    addrs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_no_member_ends_no_epoch() {
    let world = World::with(calm);
    let member = world.start(1).await;
    member.node.initialize(&member.addr.to_string()).await.unwrap();
    // Its id is above all that the member knows of: it could have joined as a master since.
    let stranger = start_in(&world, 9, "127.0.0.9:0".parse().unwrap(), 2).await;
    stranger.node.initialize(&stranger.addr.to_string()).await.unwrap();
    let adding = {
        let (node, addr) = (stranger.node.clone(), member.addr.to_string());
        tokio::spawn(async move { node.add_learner(NodeId(1), &addr).await })
    };
    eventually("the member to refuse the stranger", || {
        let troubles = stranger.node.troubles().recent();
        troubles.iter().any(|it| it.node == Some(NodeId(1)) && it.words.contains("has ended"))
    })
    .await;
    assert_eq!(*member.node.superseded().borrow(), None, "an epoch ended on a stranger's word");
    member.node.propose(put("k", "v")).await.unwrap().unwrap();
    adding.abort();
    stranger.stop().await;
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_a_tombstone_is_refused_even_while_it_is_a_member() {
    let world = World::with(|options| {
        calm(options);
        options.propose_deadline = Duration::from_secs(3);
    });
    let masters = world.start_three().await;
    let dead = NodeId(3);
    masters[2].node.propose(put("before", "v")).await.unwrap().unwrap();
    masters[0].node.propose(recover(2, 1, &[dead.0])).await.unwrap().unwrap();
    assert!(masters[0].node.status().voters.contains_key(&dead), "the membership comes later");
    assert!(masters[2].node.propose(put("after", "v")).await.is_err(), "it was let in");
    let state = masters[0].node.linearize().await.unwrap();
    assert_eq!(value(&state, "before").as_deref(), Some("v"));
    assert_eq!(value(&state, "after"), None);
    let troubles = masters[0].node.troubles().recent();
    let refused = |it: &Trouble| it.kind == TroubleKind::RefusedNode && it.node == Some(dead);
    assert!(troubles.iter().any(refused), "{troubles:?}");
    for master in masters {
        master.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_survivor_of_three_goes_on_alone_with_all_it_holds_and_grows_again() {
    let world = World::with(|options| {
        calm(options);
        options.snapshot_after_entries = 20;
    });
    let addrs = stopped(&world).await;
    let before = held(&world, 3);
    let (term, last) = before.last_log.unwrap();
    assert_eq!(before.voters, [[1, 2, 3].map(NodeId).into()]);
    assert_eq!(before.members[&NodeId(2)], addrs[1].to_string());
    assert_eq!(value(&before.state, "k29").as_deref(), Some("v"));
    assert!(before.committed.is_some() && !before.torn);

    rebuilt(&world, 3, addrs[2], before.vote.unwrap().0.next(), recover(2, 3, &[1, 2]));
    let after = held(&world, 3);
    assert_eq!(after.last_log.unwrap().0, before.vote.unwrap().0.next());
    assert_eq!(after.last_log.unwrap().1.0, last.0 + 2, "the log went on after term {term}");
    assert_eq!(after.voters, [[3].map(NodeId).into()]);

    let survivor = start_in(&world, 3, addrs[2], 2).await;
    let state = survivor.node.linearize().await.unwrap();
    for index in 0..30 {
        assert_eq!(value(&state, &format!("k{index}")).as_deref(), Some("v"));
    }
    assert_eq!(state.epoch, Epoch(2));
    assert!(state.metadata.tombstones.contains_key(&NodeId(1)));
    survivor.node.propose(put("after", "v")).await.unwrap().unwrap();

    let mut new = Vec::new();
    for id in [4, 5] {
        let mut options = world.options(id);
        options.epoch = Epoch(2);
        let addr = SocketAddr::from(([127, 0, 0, u8::try_from(id).unwrap()], 0));
        let master = world.start_with(options, addr).await;
        let addr = master.addr.to_string();
        while survivor.node.add_learner(NodeId(id), &addr).await.is_err() {}
        new.push(master);
    }
    while survivor.node.promote(&[NodeId(4), NodeId(5)]).await.is_err() {}
    assert_eq!(survivor.node.status().voters.len(), 3);
    let state = new[1].node.linearize().await.unwrap();
    assert_eq!(value(&state, "after").as_deref(), Some("v"));
    assert_eq!(value(&state, "k0").as_deref(), Some("v"));
    for master in new.into_iter().chain([survivor]) {
        master.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_never_committed_is_kept_since_it_may_have_been_acknowledged() {
    let world = World::with(calm);
    let masters = world.start_three().await;
    masters[0].node.propose(put("committed", "v")).await.unwrap().unwrap();
    world.cut.lock().unwrap().insert(NodeId(1));
    // Appended by the leader, which reaches nobody: given up, and never answered.
    let tail = masters[0].node.propose(put("tail", "v"));
    assert!(tokio::time::timeout(Duration::from_secs(1), tail).await.is_err());
    let addr = masters[0].addr;
    for master in masters {
        master.stop().await;
    }
    let before = held(&world, 1);
    assert!(before.last_log > before.committed, "{before:?}");
    rebuilt(&world, 1, addr, Term(99), recover(2, 1, &[2, 3]));
    world.cut.lock().unwrap().clear();
    let survivor = start_in(&world, 1, addr, 2).await;
    let state = survivor.node.linearize().await.unwrap();
    assert_eq!(value(&state, "tail").as_deref(), Some("v"));
    assert!(survivor.node.status().term > Term(99));
    survivor.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_majority_of_the_old_voters_that_comes_back_is_told_and_elects_nobody() {
    let world = World::with(calm);
    let addrs = stopped(&world).await;
    let old_term = held(&world, 1).vote.unwrap().0;
    rebuilt(&world, 3, addrs[2], Term(50), recover(2, 3, &[1, 2]));
    let survivor = start_in(&world, 3, addrs[2], 2).await;
    survivor.node.linearize().await.unwrap();
    let term = survivor.node.status().term;

    // Their epoch has ended, but nobody has told them.
    let old = [world.start_at(1, addrs[0]).await, world.start_at(2, addrs[1]).await];
    for master in &old {
        let mut superseded = master.node.superseded();
        let wait = superseded.wait_for(Option::is_some);
        let told = *tokio::time::timeout(Duration::from_secs(15), wait).await.unwrap().unwrap();
        let expected = Superseded { epoch: Epoch(2), by: NodeId(3), written_off: true };
        assert_eq!(told, Some(expected));
    }
    // Told before their first election, they never hold one.
    tokio::time::sleep(Duration::from_secs(5)).await;
    for master in &old {
        assert_eq!(*master.node.leadership().borrow(), None);
        assert_eq!(master.node.status().term, old_term);
    }
    assert_eq!(survivor.node.status().term, term, "nobody disturbed the survivor");
    survivor.node.propose(put("after", "v")).await.unwrap().unwrap();
    for master in old.into_iter().chain([survivor]) {
        master.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_of_an_ended_epoch_stops_at_the_first_word_of_a_survivor() {
    let world = World::with(calm);
    let addrs = stopped(&world).await;
    rebuilt(&world, 3, addrs[2], Term(50), recover(2, 3, &[1, 2]));
    let survivor = start_in(&world, 3, addrs[2], 2).await;
    survivor.node.linearize().await.unwrap();
    // Cut off from the survivor nobody can tell them: they are a majority of what they know.
    world.cut.lock().unwrap().insert(NodeId(3));
    let old = [world.start_at(1, addrs[0]).await, world.start_at(2, addrs[1]).await];
    let leader = leader_of(&[&old[0], &old[1]]).await;
    world.cut.lock().unwrap().clear();
    let superseded = old[leader].node.superseded();
    eventually("the old leader to be told", || superseded.borrow().is_some()).await;
    assert_eq!(superseded.borrow().unwrap().epoch, Epoch(2));
    for master in old.into_iter().chain([survivor]) {
        master.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_or_foreign_folder_is_not_read_as_if_it_were_whole() {
    let world = World::with(calm);
    stopped(&world).await;
    let foreign = Place { node: NodeId(2), ..place(&world, 1) };
    assert!(inspect(&foreign).is_err(), "another node's folder");
    let path = world.folder(1).join("log.redb");
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = 0;
    // Every page is hit somewhere; what is in none of the log's pages may be whatever it is.
    for start in (0..whole.len()).step_by(2048) {
        let mut bytes = whole.clone();
        bytes[start..].iter_mut().take(512).for_each(|byte| *byte ^= 0xa5);
        std::fs::write(&path, &bytes).unwrap();
        match inspect(&place(&world, 1)) {
            Ok(held) => assert_eq!(value(&held.state, "k29").as_deref(), Some("v")),
            Err(_) => damaged += 1,
        }
        if damaged > 5 {
            break;
        }
    }
    assert!(damaged > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_leaves_the_snapshot_and_no_byte_of_what_was_logged_before() {
    let world = World::new();
    let addrs = stopped(&world).await;
    let at = place(&world, 1);
    let vote = held(&world, 1).vote;
    assert_eq!(purge(&at).unwrap(), None, "there is no snapshot yet");

    // Three masters go on; one makes a snapshot, gets one entry more, and is purged.
    let mut masters = Vec::new();
    for (node, addr) in (1..).zip(addrs) {
        masters.push(start_in(&world, node, addr, 0).await);
    }
    let leader = leader_of(&masters.iter().collect::<Vec<_>>()).await;
    let applied = masters[leader].node.state().borrow().applied;
    eventually("all is applied", || masters[0].node.state().borrow().applied >= applied).await;
    masters[0].node.snapshot_of(applied).await.unwrap();
    let snapshot = masters[0].node.status().snapshot.unwrap();
    masters[leader].node.propose(put("later", "v")).await.unwrap().unwrap();
    eventually("one more", || value(&masters[0].node.state().borrow(), "later").is_some()).await;
    masters.remove(0).stop().await;
    let (before, old) = (held(&world, 1), content(&world.folder(1)));

    let purged = purge(&at).unwrap().unwrap();
    assert_eq!(purged.snapshot, snapshot);
    assert!((1..=3).contains(&purged.entries), "{purged:?}");
    assert_eq!(purge(&at).unwrap(), Some(purged), "twice is once");
    let (after, new) = (held(&world, 1), content(&world.folder(1)));
    assert_eq!(after.vote.map(|it| it.0), before.vote.map(|it| it.0));
    assert!(after.vote.map(|it| it.0) >= vote.map(|it| it.0));
    assert_eq!((after.last_log, &after.voters), (before.last_log, &before.voters));
    assert_eq!(after.state, before.state);
    assert_eq!(new.keys().collect::<Vec<_>>(), old.keys().collect::<Vec<_>>());
    // Sealed records are random bytes: a run of them that is in both files was kept.
    let random = |bytes: &[u8]| bytes.iter().collect::<std::collections::BTreeSet<_>>().len() > 26;
    let runs: std::collections::BTreeSet<&[u8]> =
        old["log.redb"].chunks_exact(32).filter(|run| random(run)).collect();
    assert!(runs.len() > 100, "{}", runs.len());
    let kept = new["log.redb"].windows(32).filter(|run| runs.contains(run)).count();
    assert_eq!(kept, 0);

    // It goes on where it was.
    let back = start_in(&world, 1, addrs[0], 0).await;
    masters[0].node.propose(put("at-last", "v")).await.unwrap().unwrap();
    eventually("it follows", || value(&back.node.state().borrow(), "at-last").is_some()).await;
    assert!(value(&back.node.state().borrow(), "k7").is_some());
    back.stop().await;
    for master in masters {
        master.stop().await;
    }
}
