//! Aborting undoes backwards, and forgets nothing that runs.

use std::time::Duration;

use quorate_model::{OperationId, OperationRequest, OperationStatus, StepStatus};
use quorate_state::Command;

use super::cluster::{Cluster, Fate, begins, component, finishes, instance, orders};

fn creating() -> (Cluster, OperationId) {
    let cluster = Cluster::new();
    let id = cluster.submit(1, &OperationRequest::ComponentCreate { spec: orders() });
    (cluster, id)
}

fn undone(cluster: &Cluster, id: OperationId) -> Vec<String> {
    cluster
        .operation(id)
        .transcript
        .iter()
        .filter(|entry| entry.what.contains(" undone"))
        .map(|entry| entry.what.split(" undone").next().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn aborting_a_creation_undoes_it_backwards_and_forgets_it_when_nothing_runs() {
    let (cluster, id) = creating();
    // Two of three instances were told to run.
    cluster.once(
        finishes(2),
        Fate::Then(Box::new(Command::AbortOperation { id, leave_as_is: false })),
    );
    let engine = cluster.lead(1);
    cluster.ended(id).await;
    engine.abort();
    let operation = cluster.operation(id);
    assert_eq!(operation.status, OperationStatus::Aborted);
    assert_eq!(undone(&cluster, id), ["step 3", "step 2", "step 1"]);
    let statuses: Vec<_> = operation.records.iter().map(|record| record.status).collect();
    assert_eq!(statuses[..3], [StepStatus::Undone; 3]);
    assert!(statuses[3..].iter().all(|status| *status == StepStatus::Pending));
    assert!(!cluster.state().metadata.components.contains_key(&component()));
    assert!(!cluster.lock().starts.contains_key(&instance(3)));
    // Stopping took its time, and people were told what for.
    let took = operation.records[0].ended_at.unwrap().since(operation.records[1].ended_at.unwrap());
    assert!(took >= Duration::from_secs(1), "{took:?}");
    let waits = cluster.lock().waiting.clone();
    assert!(waits.iter().any(|(step, on)| *step == 0 && on.contains("still runs")), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn an_abort_ends_the_wait_of_the_step_in_hand() {
    let (cluster, id) = creating();
    cluster.lock().broken.insert(instance(1));
    let engine = cluster.lead(1);
    cluster.until(id, |one| one.records[4].status == StepStatus::Started).await;
    cluster.apply(Command::AbortOperation { id, leave_as_is: false }).unwrap();
    cluster.ended(id).await;
    engine.abort();
    assert_eq!(cluster.status(id), OperationStatus::Aborted);
    assert_eq!(undone(&cluster, id), ["step 4", "step 3", "step 2", "step 1"]);
    let wait = cluster.operation(id).records[4].clone();
    assert_eq!(
        (wait.status, wait.seen.as_str()),
        (StepStatus::Kept, "it only looked, and changed nothing")
    );
}

#[tokio::test(start_paused = true)]
async fn the_leader_may_die_at_every_undo() {
    for step in 0..=3_u32 {
        for fate in [Fate::DiesBefore, Fate::DiesAfter] {
            let what = format!("the leader dies at the undo of step {step}: {fate:?}");
            let (cluster, id) = creating();
            let mut fate = Some(fate);
            cluster.script(move |command| match command {
                Command::FinishStep { step: 3, id, .. } => {
                    Fate::Then(Box::new(Command::AbortOperation { id: *id, leave_as_is: false }))
                }
                Command::UndoStep { step: one, .. } if *one == step => {
                    fate.take().unwrap_or(Fate::Applied)
                }
                _ => Fate::Applied,
            });
            let first = cluster.lead(1);
            cluster.died.notified().await;
            first.abort();
            let second = cluster.lead(2);
            cluster.ended(id).await;
            second.abort();
            assert_eq!(cluster.status(id), OperationStatus::Aborted, "{what}");
            assert_eq!(undone(&cluster, id), ["step 4", "step 3", "step 2", "step 1"], "{what}");
            assert!(cluster.state().metadata.components.is_empty(), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn aborting_a_restart_leaves_the_members_running() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    cluster
        .once(begins(4), Fate::Then(Box::new(Command::AbortOperation { id, leave_as_is: false })));
    let engine = cluster.lead(1);
    cluster.ended(id).await;
    engine.abort();
    assert_eq!(cluster.status(id), OperationStatus::Aborted);
    let starts: Vec<u32> = cluster.lock().starts.values().copied().collect();
    assert_eq!(starts, [2, 1, 1]);
    // The member that was restarted stays so, and nobody is told that it was undone.
    let operation = cluster.operation(id);
    let begun = operation.records.iter().filter(|record| record.is_begun());
    assert!(begun.clone().count() > 1);
    assert!(begun.clone().all(|record| record.status == StepStatus::Kept), "{operation:?}");
    assert!(begun.clone().any(|record| record.seen == "it stays done"), "{operation:?}");
    assert!(operation.transcript.iter().any(|entry| entry.what.contains(" kept: it stays done")));
}

#[tokio::test(start_paused = true)]
async fn a_removal_stops_everything_before_it_forgets() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit(3, &OperationRequest::ComponentRemove { component: component() });
    let engine = cluster.lead(1);
    cluster.ended(id).await;
    engine.abort();
    assert_eq!(cluster.status(id), OperationStatus::Succeeded);
    assert!(cluster.state().metadata.components.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_aborted_removal_runs_again_what_it_stopped() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit(3, &OperationRequest::ComponentRemove { component: component() });
    cluster
        .once(begins(3), Fate::Then(Box::new(Command::AbortOperation { id, leave_as_is: false })));
    let engine = cluster.lead(1);
    cluster.ended(id).await;
    engine.abort();
    assert_eq!(cluster.status(id), OperationStatus::Aborted);
    let state = cluster.state();
    let known = &state.metadata.components[&component()];
    assert!(known.instances.values().all(|one| one.run == quorate_model::RunState::Running));
}
