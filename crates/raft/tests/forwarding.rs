//! Proposals through followers: they travel together, and each is answered by itself, whatever
//! becomes of the leader, the call or its answer.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use quorate_model::{NodeId, RequestId, Revision, codes};
use quorate_raft::{ProposeError, RaftOptions};
use quorate_state::{Command, Proposal, State};
use support::{Fate, Master, World, eventually, leader_of, put, put_once, revision, value};
use tokio::{task::JoinSet, time::Instant};

/// A leader is not replaced because the machine that runs the tests is busy.
fn calm(options: &mut RaftOptions) {
    options.heartbeat_ms = 100;
    options.election_min_ms = 600;
    options.election_max_ms = 1200;
    options.propose_deadline = Duration::from_secs(60);
}

async fn stop(masters: impl IntoIterator<Item = Master>) {
    for master in masters {
        master.stop().await;
    }
}

/// How often each setting was changed, as the audit trail has it.
fn changes(state: &State) -> BTreeMap<String, usize> {
    let mut changes = BTreeMap::new();
    for entry in state.audit.entries.iter().filter(|entry| entry.refused.is_none()) {
        *changes.entry(entry.target.to_string()).or_default() += 1;
    }
    changes
}

/// Transfers until this one leads; on a busy machine a transfer may fail, or another be elected.
async fn make_leader(masters: &[Master], to: NodeId) -> usize {
    for _ in 0..20 {
        let leading = leader_of(&masters.iter().collect::<Vec<_>>()).await;
        if masters[leading].node.id() == to {
            return leading;
        }
        drop(masters[leading].node.transfer_leader(to).await);
    }
    panic!("{to} does not become leader");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_at_a_follower_travels_together_and_each_gets_its_own_answer() {
    let world = World::with(calm);
    let masters = world.start_three().await;
    let before = world.forwards.calls.load(Ordering::SeqCst);
    let mut clients = JoinSet::new();
    for client in 0..48 {
        let node = masters[1].node.clone();
        clients.spawn(async move {
            let mut revisions = Vec::new();
            for index in 0..10 {
                let key = format!("c{client}-{index}");
                let outcome = node.propose(put(&key, "v")).await.unwrap();
                revisions.push((key.clone(), revision(&outcome)));
                // One that is refused must not be mistaken for its neighbours.
                let mut again = put(&key, "w");
                if let Command::PutSetting { expect, .. } = &mut again.command {
                    *expect = Some(Revision(0));
                }
                let refusal = node.propose(again).await.unwrap().unwrap_err();
                assert_eq!(refusal.code, codes::REVISION_MISMATCH);
                assert!(refusal.to_string().contains(&key), "{refusal}");
            }
            revisions
        });
    }
    let revisions = clients.join_all().await.concat();
    let calls = world.forwards.calls.load(Ordering::SeqCst) - before;
    assert!(calls < 480, "960 proposals travelled in {calls} calls");
    let state = masters[2].node.linearize().await.unwrap();
    assert_eq!(revisions.len(), 480);
    for (key, revision) in revisions {
        let setting = state.metadata.settings.iter().find(|(known, _)| known.as_str() == key);
        assert_eq!(setting.unwrap().1.revision, revision, "{key}");
    }
    stop(masters).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_leaves_every_outcome_unknown_and_a_repeat_is_applied_once() {
    let world = World::with(calm);
    let masters = world.start_three().await;
    *world.forwards.fate.lock().unwrap() = Fate::LoseAnswer;
    let mut clients = JoinSet::new();
    for client in 0..20 {
        let node = masters[2].node.clone();
        clients.spawn(async move {
            let proposal = put_once(&format!("request-{client}"), &format!("k{client}"), "v");
            let error = node.propose(proposal.clone()).await.unwrap_err();
            assert!(matches!(error, ProposeError::OutcomeUnknown { .. }), "{error}");
            proposal
        });
    }
    let proposals = clients.join_all().await;
    *world.forwards.fate.lock().unwrap() = Fate::Pass;
    for proposal in proposals {
        masters[2].node.propose(proposal).await.unwrap().unwrap();
    }
    let state = masters[2].node.linearize().await.unwrap();
    let changes = changes(&state);
    assert_eq!(changes.len(), 20);
    assert!(changes.values().all(|count| *count == 1), "{changes:?}");
    stop(masters).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_leader_in_the_middle_lose_nothing_acknowledged_and_apply_nothing_twice() {
    const CLIENTS: usize = 16;
    let world = World::with(calm);
    let mut masters = world.start_three().await;
    let done = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        // n3 is never made leader and not stopped: it forwards nearly all the time.
        let (node, done) = (masters[2].node.clone(), Arc::clone(&done));
        clients.spawn(async move {
            let mut written = 0_u32;
            while !done.load(Ordering::SeqCst) {
                let key = format!("c{client}-{written}");
                let proposal = put_once(&key, &key, &written.to_string());
                // Until it is known; the request id makes that harmless.
                while let Err(error) = node.propose(proposal.clone()).await {
                    assert!(
                        matches!(
                            error,
                            ProposeError::OutcomeUnknown { .. } | ProposeError::NoLeader { .. }
                        ),
                        "{error}"
                    );
                }
                written += 1;
            }
            written
        });
    }
    for to in [2, 1, 2, 1] {
        make_leader(&masters, NodeId(to)).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let leading = make_leader(&masters, NodeId(1)).await;
    let addr = masters[leading].addr;
    let lost = masters.remove(leading);
    let id = lost.node.id();
    lost.stop().await;
    leader_of(&masters.iter().collect::<Vec<_>>()).await;
    masters.push(world.start_at(id.0, addr).await);
    done.store(true, Ordering::SeqCst);
    let written: u32 = clients.join_all().await.iter().sum();
    let state = masters[0].node.linearize().await.unwrap();
    assert!(written > 100, "too little happened: {written}");
    assert_eq!(state.metadata.settings.len(), usize::try_from(written).unwrap());
    // The trail keeps the newest ten thousand.
    let changes = changes(&state);
    assert!(changes.values().all(|count| *count == 1), "{changes:?}");
    stop(masters).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_answers_nothing_holds_up_nobody_once_there_is_another() {
    let world = World::with(|options| {
        calm(options);
        options.propose_deadline = Duration::from_secs(30);
    });
    let masters = world.start_three().await;
    *world.forwards.fate.lock().unwrap() = Fate::Stall;
    let mut stuck = JoinSet::new();
    for client in 0..8 {
        let node = masters[2].node.clone();
        stuck.spawn(async move { node.propose(put(&format!("stuck-{client}"), "v")).await });
        // Each in a call of its own, as far as there is room for calls.
        let sent = world.forwards.calls.load(Ordering::SeqCst);
        if sent < 2 {
            eventually("a call", || world.forwards.calls.load(Ordering::SeqCst) > sent).await;
        }
    }
    world.cut.lock().unwrap().insert(NodeId(1));
    *world.forwards.fate.lock().unwrap() = Fate::Pass;
    let begun = Instant::now();
    masters[2].node.propose(put("next", "v")).await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    // Those that had not been sent went to the next leader too.
    eventually("what waited", || {
        let state = Arc::clone(&masters[2].node.state().borrow());
        (0..8).filter(|client| value(&state, &format!("stuck-{client}")).is_some()).count() == 6
    })
    .await;
    stuck.abort_all();
    stop(masters).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_its_proposer_left_before_it_was_sent_is_never_sent() {
    let world = World::with(|options| {
        calm(options);
        options.propose_deadline = Duration::from_secs(3);
    });
    let masters = world.start_three().await;
    *world.forwards.fate.lock().unwrap() = Fate::Stall;
    let mut stuck = JoinSet::new();
    for client in 0..2 {
        let node = masters[1].node.clone();
        stuck.spawn(async move { node.propose(put(&format!("stuck-{client}"), "v")).await });
        eventually("a call", || world.forwards.calls.load(Ordering::SeqCst) > client).await;
    }
    let mut left = JoinSet::new();
    for client in 0..8 {
        let node = masters[1].node.clone();
        left.spawn(async move {
            let proposal = put(&format!("left-{client}"), "v");
            tokio::time::timeout(Duration::from_millis(200), node.propose(proposal)).await
        });
    }
    assert!(left.join_all().await.iter().all(Result::is_err));
    *world.forwards.fate.lock().unwrap() = Fate::Pass;
    // Those that were sent end with their deadline, and then there is room again.
    for result in stuck.join_all().await {
        assert!(matches!(result, Err(ProposeError::OutcomeUnknown { .. })), "{result:?}");
    }
    masters[1].node.propose(put("next", "v")).await.unwrap().unwrap();
    let state = masters[1].node.linearize().await.unwrap();
    assert_eq!(state.metadata.settings.len(), 1, "{:?}", changes(&state));
    stop(masters).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_leader_it_is_certain_that_nothing_was_appended() {
    let world = World::with(|options| {
        calm(options);
        options.propose_deadline = Duration::from_secs(2);
    });
    let mut masters = world.start_three().await;
    let last = masters.pop().unwrap();
    stop(masters).await;
    // The first one may still go out on a connection whose other end has just gone.
    for _ in 0..3 {
        match last.node.propose(put("k", "v")).await.unwrap_err() {
            ProposeError::OutcomeUnknown { .. } => {}
            ProposeError::NoLeader { .. } => return last.stop().await,
            other => panic!("{other}"),
        }
    }
    panic!("it is never certain");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_proposals_are_spread_over_calls() {
    let world = World::with(calm);
    let masters = world.start_three().await;
    let large = "x".repeat(300_000);
    let mut clients = JoinSet::new();
    for client in 0..8 {
        let (node, large) = (masters[1].node.clone(), large.clone());
        clients.spawn(async move {
            let proposal = Proposal {
                request_id: Some(RequestId::new(format!("large-{client}")).unwrap()),
                ..put(&format!("k{client}"), &large)
            };
            node.propose(proposal).await.unwrap().unwrap();
        });
    }
    clients.join_all().await;
    let state = masters[0].node.linearize().await.unwrap();
    assert_eq!(state.metadata.settings.len(), 8);
    stop(masters).await;
}
