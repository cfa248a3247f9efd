//! What becomes of a removed master's place in the membership, whatever was under way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use quorate_model::{
    NamedNode, NodeAction, NodeId, NodeName, OperationId, OperationRequest, OperationStatus, Plan,
    Step, StepKind, Subject, Undo,
};
use quorate_state::Command;
use quorate_testkit::{InProcessMaster, eventually};

const SOON: Duration = Duration::from_secs(60);

/// What is left of a removal's plan that was made while the node had no vote.
fn removal_of_a_learner(node: NodeId) -> Plan {
    let name = NodeName::new("m3").unwrap();
    let request =
        OperationRequest::NodeRemove { node: NamedNode { id: node, name }, allow_even: None };
    let step = Step {
        kind: StepKind::Node { node, action: NodeAction::Remove },
        title: "Remove `m3`".to_owned(),
        why: "It had no vote.".to_owned(),
        deadline_ms: 60_000,
        undo: Undo::Impossible,
    };
    Plan { request, steps: vec![step], pins: Vec::new(), locks: vec![Subject::Masters] }
}

fn voters(master: &InProcessMaster) -> Vec<u64> {
    master.control.raft().status().voters.keys().map(|id| id.0).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_got_a_vote_while_it_was_removed_as_a_learner_is_no_member_in_the_end() {
    let master = InProcessMaster::start_with_others(2).await;
    eventually("three voters", SOON, || async { voters(&master) == [1, 2, 3] }).await;
    let (id, node) = (OperationId::from_parts(1, 1), NodeId(3));
    let plan = removal_of_a_learner(node);
    master.propose(Command::SubmitOperation { id, plan, key: None }).await;
    let status = || master.control.state().metadata.operations[&id].status.clone();
    eventually("the end of the removal", SOON, || async {
        !matches!(status(), OperationStatus::Running)
    })
    .await;
    assert_eq!(status(), OperationStatus::Succeeded);
    assert_eq!(voters(&master), [1, 2]);
    assert!(master.control.raft().status().learners.is_empty());

    // What was under way may also end later: autopilot takes it back.
    let raft = master.control.raft();
    raft.add_learner(node, "127.0.0.1:1").await.unwrap();
    eventually("no trace of it", SOON, || async { raft.status().learners.is_empty() }).await;
    assert_eq!(voters(&master), [1, 2]);
    master.stop().await;
}
