//! People pause and resume, and what held before a pause is looked at again after it.

use std::time::Duration;

use quorate_model::{
    Condition, NodeAction, NodeId, OperationId, OperationRequest, OperationStatus, OrderKind,
    OrderOutcome, OrderReport, Plan, Refusal, Step, StepKind, StepStatus, Subject, Undo, codes,
};
use quorate_state::Command;

use super::cluster::{Cluster, Fate, begins, finishes, instance};

#[tokio::test(start_paused = true)]
async fn a_pause_lets_the_step_in_hand_end_and_begins_no_other_until_it_is_resumed() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    cluster.once(begins(4), Fate::Then(Box::new(Command::PauseOperation { id })));
    let engine = cluster.lead(1);
    cluster.until(id, |one| one.finished_steps() == 5).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let operation = cluster.operation(id);
    assert_eq!(operation.status, OperationStatus::Paused);
    assert_eq!(operation.finished_steps(), 5);
    assert_eq!(operation.records[5].status, StepStatus::Pending);
    cluster.apply(Command::ResumeOperation { id }).unwrap();
    cluster.ended(id).await;
    engine.abort();
    assert_eq!(cluster.status(id), OperationStatus::Succeeded);
    cluster.assert_each_restarted_once("paused once");
}

#[tokio::test(start_paused = true)]
async fn a_pause_between_two_steps_and_a_change_of_leaders_meanwhile_are_fine() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    cluster.once(finishes(5), Fate::Then(Box::new(Command::PauseOperation { id })));
    let first = cluster.lead(1);
    cluster.until(id, |one| one.status == OperationStatus::Paused).await;
    first.abort();
    let second = cluster.lead(2);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cluster.operation(id).finished_steps(), 6);
    cluster.apply(Command::ResumeOperation { id }).unwrap();
    cluster.ended(id).await;
    second.abort();
    cluster.assert_each_restarted_once("paused across leaders");
}

#[tokio::test(start_paused = true)]
async fn the_quorum_is_counted_again_when_time_has_passed_since_it_was_required() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    // Paused after leadership was seen to: the next thing is the restart itself.
    cluster.once(finishes(2), Fate::Then(Box::new(Command::PauseOperation { id })));
    let engine = cluster.lead(1);
    cluster.until(id, |one| one.status == OperationStatus::Paused).await;
    cluster.lock().broken.insert(instance(3));
    cluster.apply(Command::ResumeOperation { id }).unwrap();
    let refusal = cluster.stuck(id).await;
    assert_eq!(refusal.code, codes::QUORUM_WOULD_BE_LOST, "{refusal}");
    assert!(refusal.cause.unwrap().contains("`orders-3` is not healthy"));
    assert_eq!(cluster.lock().starts[&instance(1)], 1, "it was not restarted");
    assert!(!cluster.operation(id).records[3].is_begun());

    cluster.lock().broken.clear();
    cluster.apply(Command::ResumeOperation { id }).unwrap();
    cluster.ended(id).await;
    engine.abort();
    assert_eq!(cluster.status(id), OperationStatus::Succeeded);
    cluster.assert_each_restarted_once("after the quorum was back");
}

#[tokio::test(start_paused = true)]
async fn a_member_to_which_leadership_came_back_during_a_pause_is_not_stopped() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    cluster.once(finishes(2), Fate::Then(Box::new(Command::PauseOperation { id })));
    let engine = cluster.lead(1);
    cluster.until(id, |one| one.status == OperationStatus::Paused).await;
    cluster.lock().leader = Some(instance(1));
    cluster.apply(Command::ResumeOperation { id }).unwrap();
    let refusal = cluster.stuck(id).await;
    assert!(refusal.cause.unwrap().contains("`orders-1` still leads"));
    assert!(refusal.hint.unwrap().contains("move its leadership"));
    assert_eq!(cluster.lock().starts[&instance(1)], 1, "a leader was stopped");

    cluster.lock().leader = Some(instance(2));
    cluster.apply(Command::ResumeOperation { id }).unwrap();
    cluster.ended(id).await;
    engine.abort();
    assert_eq!(cluster.status(id), OperationStatus::Succeeded);
    cluster.assert_each_restarted_once("after leadership was moved again");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_a_node_did_not_carry_out_is_given_again_when_people_resume() {
    let cluster = Cluster::new();
    cluster.lock().masters.leader = Some(NodeId(1));
    let (id, node) = (OperationId::from_parts(7, 0), NodeId(3));
    let step = |kind| Step {
        kind,
        title: "a title".to_owned(),
        why: "a reason".to_owned(),
        deadline_ms: 60_000,
        undo: Undo::Nothing,
    };
    let order = NodeAction::Order { order: OrderKind::Restart };
    let awaited = StepKind::Await { condition: Condition::NodeReady { node }, sustained_ms: 500 };
    let plan = Plan {
        request: OperationRequest::MasterTransferLeader { to: None },
        steps: vec![step(StepKind::Node { node, action: order }), step(awaited)],
        pins: Vec::new(),
        locks: vec![Subject::Masters],
    };
    cluster.apply(Command::SubmitOperation { id, plan, key: None }).unwrap();
    let engine = cluster.lead(1);
    let ordered = || cluster.state().metadata.nodes[&node].order.clone().unwrap().generation;
    let mut given = Vec::new();
    for _ in 0..2 {
        cluster.until(id, |one| one.records[1].status == StepStatus::Started).await;
        given.push(ordered());
        let refusal = Refusal::new(codes::DISK_FULL, "no space").hint("free some");
        let report = OrderReport {
            generation: ordered(),
            outcome: OrderOutcome::Failed { refusal: refusal.clone() },
        };
        cluster.apply(Command::ReportOrder { id: node, report }).unwrap();
        let stuck = cluster.stuck(id).await;
        assert_eq!(stuck.code, codes::DISK_FULL);
        let hint = "free some; then resume the operation, which gives the order again, or abort it";
        assert_eq!(stuck.hint.as_deref(), Some(hint));
        cluster.apply(Command::ResumeOperation { id }).unwrap();
    }
    cluster.until(id, |one| one.records[1].status == StepStatus::Started).await;
    engine.abort();
    given.push(ordered());
    assert!(given.is_sorted_by(|one, next| one < next), "{given:?}");
}
