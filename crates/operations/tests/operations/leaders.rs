//! Leaders come and go; every instance is restarted exactly once.

use std::time::Duration;

use quorate_model::{
    Condition, NamedNode, NodeId, NodeName, OperationId, OperationRequest, OperationStatus, Plan,
    Step, StepKind, StepStatus, Term, Undo, VoterAction, codes,
};
use quorate_plan::{MasterObserved, MastersObserved};
use quorate_state::Command;

use super::cluster::{Cluster, Fate, begins, finishes, step_of};

#[tokio::test(start_paused = true)]
async fn a_restart_runs_to_its_end() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    let engine = cluster.lead(1);
    cluster.ended(id).await;
    engine.abort();
    let operation = cluster.operation(id);
    assert_eq!(operation.status, OperationStatus::Succeeded);
    assert!(operation.records.iter().all(|record| record.status == StepStatus::Finished));
    cluster.assert_each_restarted_once("without any fault");
    assert_eq!(cluster.lock().actions, 3);
    let waits = cluster.lock().waiting.clone();
    assert!(
        waits.iter().any(|(step, on)| *step == 4 && on.contains("it does not serve")),
        "{waits:?}"
    );
    assert!(waits.iter().any(|(step, on)| *step == 4 && on.contains("ms more")), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn the_leader_may_die_at_every_boundary_of_every_step() {
    let steps = {
        let cluster = Cluster::with_orders().await;
        let id = cluster.submit_restart();
        u32::try_from(cluster.operation(id).plan.steps.len()).unwrap()
    };
    assert_eq!(steps, 16);
    for step in 0..steps {
        for boundary in ["begun", "acted", "finished"] {
            let what = format!("the leader dies when step {step} is {boundary}");
            let cluster = Cluster::with_orders().await;
            let id = cluster.submit_restart();
            match boundary {
                "begun" => cluster.once(begins(step), Fate::DiesAfter),
                "acted" => cluster.once(finishes(step), Fate::DiesBefore),
                _ => cluster.once(finishes(step), Fate::DiesAfter),
            }
            let first = cluster.lead(1);
            tokio::time::timeout(Duration::from_secs(600), cluster.died.notified())
                .await
                .unwrap_or_else(|_| panic!("{what}: it did not get there"));
            first.abort();
            let second = cluster.lead(2);
            cluster.ended(id).await;
            second.abort();
            assert_eq!(cluster.status(id), OperationStatus::Succeeded, "{what}");
            cluster.assert_each_restarted_once(&what);
            assert_eq!(cluster.state().audit.verify(), Ok(()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_may_die_at_every_boundary_in_one_and_the_same_operation() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    // Each leader gets one proposal further and dies before the answer.
    cluster.script(|_| Fate::DiesAfter);
    let mut term = 1;
    while !cluster.status(id).is_final() {
        let engine = cluster.lead(term);
        cluster.died.notified().await;
        engine.abort();
        term += 1;
        assert!(term < 100, "{:#?}", cluster.operation(id));
        // Every leader dies on its first proposal: it begins the step again, and never ends it.
        // Each second leader therefore may say one thing more.
        let mut said = 0;
        cluster.script(move |_| {
            said += 1;
            if said == 2 { Fate::DiesAfter } else { Fate::Applied }
        });
    }
    assert_eq!(cluster.status(id), OperationStatus::Succeeded);
    cluster.assert_each_restarted_once("a leader for every step");
}

#[tokio::test(start_paused = true)]
async fn the_late_word_of_an_old_leader_is_refused() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    cluster.once(finishes(4), Fate::DiesBefore);
    let first = cluster.lead(1);
    cluster.died.notified().await;
    first.abort();
    let second = cluster.lead(2);
    cluster.until(id, |one| one.term == Term(2)).await;
    let late = Command::FinishStep { id, step: 4, term: Term(1), seen: "old news".to_owned() };
    assert_eq!(cluster.apply(late).unwrap_err().code, codes::OPERATION_STATUS);
    cluster.ended(id).await;
    second.abort();
    assert!(cluster.operation(id).transcript.iter().all(|entry| !entry.what.contains("old news")));
    cluster.assert_each_restarted_once("with a late word");
}

#[tokio::test(start_paused = true)]
async fn an_old_leader_that_does_not_know_it_yet_does_no_harm_and_falls_silent() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    let old = cluster.lead(1);
    cluster.until(id, |one| one.finished_steps() == 4).await;
    let new = cluster.lead(2);
    cluster.until(id, |one| one.term == Term(2)).await;
    cluster.script(|command| {
        assert_eq!(step_of(command).map(|(_, term)| term), Some(Term(2)), "{command:?}");
        Fate::Applied
    });
    cluster.ended(id).await;
    assert_eq!(cluster.status(id), OperationStatus::Succeeded);
    cluster.assert_each_restarted_once("with two leaders");
    assert!(!old.is_finished() && !new.is_finished());
    old.abort();
    new.abort();
}

#[tokio::test(start_paused = true)]
async fn a_view_of_the_state_that_is_behind_costs_time_and_nothing_else() {
    let cluster = Cluster::with_orders().await;
    let id = cluster.submit_restart();
    cluster.lock().proposals = 0;
    let engine = cluster.lead_behind(1, Duration::from_millis(200));
    cluster.ended(id).await;
    engine.abort();
    assert_eq!(cluster.status(id), OperationStatus::Succeeded);
    cluster.assert_each_restarted_once("with a view that is behind");
    let proposals = cluster.lock().proposals;
    assert!(proposals < 150, "{proposals} proposals for 16 steps");
}

/// Masters n1 to n3 that vote; these do not answer.
fn masters(away: &[u64]) -> MastersObserved {
    let seen = |id: u64| {
        let heard_ago = (!away.contains(&id)).then_some(Duration::ZERO);
        (NodeId(id), MasterObserved { voter: true, heard_ago, lag: Some(0) })
    };
    MastersObserved { leader: Some(NodeId(1)), joint: false, members: (1..=3).map(seen).collect() }
}

#[tokio::test(start_paused = true)]
async fn a_vote_is_not_taken_by_the_next_leader_once_the_quorum_would_not_survive_it() {
    let cluster = Cluster::new();
    let step = |kind| Step {
        kind,
        title: String::new(),
        why: String::new(),
        deadline_ms: 10_000,
        undo: Undo::Nothing,
    };
    // The world's leader of term 1 leads no more when it is to change the vote of n1.
    let node = NodeId(1);
    let condition = Condition::MastersQuorateAfter { without: node, with: None };
    let name = NodeName::new("db-1").unwrap();
    let plan = Plan {
        request: OperationRequest::NodeRemove {
            node: NamedNode { id: node, name },
            allow_even: Some("for a test".to_owned()),
        },
        steps: vec![
            step(StepKind::Require { condition }),
            step(StepKind::Voter { node, action: VoterAction::Demote }),
        ],
        pins: Vec::new(),
        locks: Vec::new(),
    };
    cluster.lock().masters = masters(&[]);
    let id = OperationId::from_parts(1, 1);
    cluster.apply(Command::SubmitOperation { id, plan, key: None }).unwrap();
    let first = cluster.lead(1);
    cluster.until(id, |one| one.records[1].status == StepStatus::Started).await;
    first.abort();

    cluster.lock().masters = masters(&[3]);
    let second = cluster.lead(2);
    let refusal = cluster.stuck(id).await;
    assert_eq!(refusal.code, codes::QUORUM_WOULD_BE_LOST, "{refusal}");
    cluster.lock().masters = masters(&[]);
    cluster.apply(Command::ResumeOperation { id }).unwrap();
    cluster.ended(id).await;
    second.abort();
    assert_eq!(cluster.status(id), OperationStatus::Succeeded);
}
