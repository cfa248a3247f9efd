//! An answer that is lost doubles nothing.

use quorate_model::OperationStatus;
use quorate_state::Command;

use super::cluster::{Cluster, Fate, begins, finishes};

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_at_any_step_doubles_nothing() {
    for step in 0..16 {
        for fate in [Fate::AnswerLost, Fate::Lost] {
            for begin in [true, false] {
                let what = format!("step {step}, begin: {begin}, {fate:?}");
                let cluster = Cluster::with_orders().await;
                let id = cluster.submit_restart();
                if begin {
                    cluster.once(begins(step), fate.clone());
                } else {
                    cluster.once(finishes(step), fate.clone());
                }
                let engine = cluster.lead(1);
                cluster.ended(id).await;
                engine.abort();
                assert_eq!(cluster.status(id), OperationStatus::Succeeded, "{what}");
                cluster.assert_each_restarted_once(&what);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_second_answer_may_be_lost() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    let mut number = 0;
    cluster.script(move |_| {
        number += 1;
        if number % 2 == 0 { Fate::AnswerLost } else { Fate::Applied }
    });
    let engine = cluster.lead(1);
    cluster.ended(id).await;
    engine.abort();
    assert_eq!(cluster.status(id), OperationStatus::Succeeded);
    cluster.assert_each_restarted_once("every second answer lost");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_while_undoing_doubles_nothing() {
    for fate in [Fate::AnswerLost, Fate::Lost] {
        let cluster = Cluster::with_orders().await;
        let id = cluster.submit_restart();
        let mut fate = Some(fate);
        cluster.script(move |command| match command {
            Command::BeginStep { step: 4, id, .. } => {
                Fate::Then(Box::new(Command::AbortOperation { id: *id, leave_as_is: false }))
            }
            Command::UndoStep { step: 3, .. } => fate.take().unwrap_or(Fate::Applied),
            _ => Fate::Applied,
        });
        let engine = cluster.lead(1);
        cluster.ended(id).await;
        engine.abort();
        assert_eq!(cluster.status(id), OperationStatus::Aborted);
    }
}
