//! Waiting: deadlines with their reason, windows that begin anew, actions that fail.

use std::time::Duration;

use quorate_model::{OperationStatus, StepStatus, codes};
use quorate_state::Command;

use super::cluster::{Cluster, STARTING, instance};

/// How long a step took, from its begin to its end.
fn took(cluster: &Cluster, id: quorate_model::OperationId, step: usize) -> Duration {
    let record = &cluster.operation(id).records[step];
    record.ended_at.unwrap().since(record.started_at.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_not_done_in_time_says_why_and_goes_on_once_that_is_mended() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    let engine = cluster.lead(1);
    cluster.until(id, |one| one.finished_steps() == 4).await;
    cluster.lock().broken.insert(instance(1));
    let refusal = cluster.stuck(id).await;
    assert_eq!(refusal.code, codes::STEP_DEADLINE);
    assert_eq!(refusal.message, "the condition was not met within 120 s");
    assert_eq!(
        refusal.cause.as_deref(),
        Some("member `orders-1` of `orders` is not healthy: it is not ready: it does not serve")
    );
    assert!(refusal.hint.is_some());
    let record = cluster.operation(id).records[4].clone();
    assert_eq!(record.status, StepStatus::Failed);
    assert!(took(&cluster, id, 4) >= Duration::from_secs(120));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(cluster.lock().starts[&instance(2)], 1, "nobody else is touched");

    cluster.lock().broken.clear();
    cluster.apply(Command::ResumeOperation { id }).unwrap();
    cluster.ended(id).await;
    engine.abort();
    assert_eq!(cluster.status(id), OperationStatus::Succeeded);
    cluster.assert_each_restarted_once("stuck once");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_serves_must_do_so_for_the_whole_window() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    let engine = cluster.lead(1);
    cluster.ended(id).await;
    engine.abort();
    let steady = took(&cluster, id, 4);
    let window = Duration::from_secs(2);
    assert!(steady >= STARTING + window && steady < STARTING + window * 2, "{steady:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flap_begins_the_window_anew() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    let (from, to) = (Duration::from_millis(1500), Duration::from_millis(2600));
    cluster.lock().flap_after_ready.insert(instance(1), (from, to));
    let engine = cluster.lead(1);
    cluster.ended(id).await;
    engine.abort();
    let flapping = took(&cluster, id, 4);
    assert!(flapping >= STARTING + to + Duration::from_secs(2), "{flapping:?}");
    cluster.assert_each_restarted_once("with a flap");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_seen_well_once_and_then_not_at_all_has_not_stayed_well() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    // The observation stays fresh for longer than the window lasts.
    let (from, to) = (Duration::from_millis(600), Duration::from_secs(60));
    cluster.lock().silent_after_ready.insert(instance(1), (from, to));
    let engine = cluster.lead(1);
    cluster.ended(id).await;
    engine.abort();
    let silent = took(&cluster, id, 4);
    assert!(silent >= STARTING + to, "{silent:?}");
    cluster.assert_each_restarted_once("with a silence");
}

#[tokio::test(start_paused = true)]
async fn a_component_action_that_fails_stops_the_operation_until_it_is_resumed() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    cluster.lock().failing_actions = 1;
    let engine = cluster.lead(1);
    let refusal = cluster.stuck(id).await;
    assert_eq!(refusal.code, codes::MEMBER_ACTION_FAILED);
    assert_eq!(cluster.operation(id).records[1].status, StepStatus::Failed);
    assert_eq!(cluster.lock().starts[&instance(1)], 1);
    cluster.apply(Command::ResumeOperation { id }).unwrap();
    cluster.ended(id).await;
    engine.abort();
    assert_eq!(cluster.status(id), OperationStatus::Succeeded);
    cluster.assert_each_restarted_once("an action failed once");
}

#[tokio::test(start_paused = true)]
async fn a_quorum_that_is_not_there_stops_the_operation_before_the_restart() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    cluster.lock().broken.insert(instance(2));
    let engine = cluster.lead(1);
    let refusal = cluster.stuck(id).await;
    engine.abort();
    assert_eq!(refusal.code, codes::QUORUM_WOULD_BE_LOST);
    assert_eq!(cluster.operation(id).records[0].status, StepStatus::Failed);
    assert!(cluster.lock().starts.values().all(|starts| *starts == 1));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_dies_does_not_hold_up_the_restart_of_the_others_while_the_quorum_holds() {
    let cluster = Cluster::with_orders_of(5).await;
    let id = cluster.submit_restart();
    let engine = cluster.lead(1);
    cluster.until(id, |one| one.finished_steps() >= 5).await;
    let begun = tokio::time::Instant::now();
    // The last but one in the order: first the others are restarted.
    cluster.lock().dead.insert(instance(5));
    let refusal = cluster.stuck(id).await;
    engine.abort();
    assert_eq!(refusal.code, codes::STEP_DEADLINE, "{refusal}");
    assert!(refusal.cause.unwrap().contains("`orders-5`"), "it waits for the dead one alone");
    let starts = cluster.lock().starts.clone();
    for number in [1, 3, 4] {
        assert_eq!(starts[&instance(number)], 2, "orders-{number}");
    }
    assert!(begun.elapsed() < Duration::from_secs(180), "{:?}", begun.elapsed());
}
