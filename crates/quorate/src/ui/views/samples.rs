//! Views as the masters answer them, for the tests of what is shown.

use std::collections::BTreeMap;

use quorate_api::rest::{
    ComponentView, InstanceView, MasterView, NodeManagerView, OperationSummary, OperationView,
    PlanView, StatusView, StepView, TranscriptView,
};

fn master(number: usize) -> MasterView {
    MasterView {
        id: format!("n{number}"),
        name: format!("db-{number}"),
        ready: true,
        is_leader: number == 1,
        role: "voter".to_owned(),
        matched_index: Some(1234),
        applied_index: Some(1233),
        lag: Some(0),
        admin_addr: format!("10.0.0.{number}:8080"),
        internal_addr: format!("10.0.0.{number}:9901"),
        version: "0.1.0".to_owned(),
        reason: String::new(),
        priority: 0,
        learner_only: None,
        stalled: String::new(),
    }
}

pub(crate) fn status() -> StatusView {
    StatusView {
        cluster_id: "01J8CLUSTER".to_owned(),
        quorate: true,
        healthy: true,
        problems: Vec::new(),
        leader: Some("n1".to_owned()),
        term: 4,
        epoch: 0,
        feature_level: 1,
        applied_index: 1234,
        voters: 3,
        joint: false,
        failure_tolerance: Some(1),
        one_more_death: "2 of 3 voters remain: nothing stops".to_owned(),
        recovery: None,
        tombstones: Vec::new(),
        operations: vec![operation().summary],
        preferred_leader: None,
        even_voters: None,
        autopilot_waits: String::new(),
        enrolments_waiting: 0,
        to_do: Vec::new(),
        masters: (1..=3).map(master).collect(),
        node_managers: vec![NodeManagerView {
            id: "n4".to_owned(),
            name: "app-1".to_owned(),
            ready: true,
            address: "10.0.0.4".to_owned(),
            last_report_ms: Some(800),
            instances: 1,
            unmanaged: Vec::new(),
            version: "0.1.0".to_owned(),
            reason: String::new(),
        }],
    }
}

pub(crate) fn component() -> ComponentView {
    let instance = |number: u32, ready: bool| InstanceView {
        name: format!("orders-{number}"),
        node: format!("n{number}"),
        node_name: format!("db-{number}"),
        desired: "running".to_owned(),
        process: if ready { "running" } else { "exited" }.to_owned(),
        pid: ready.then_some(4_000 + number),
        started_at: None,
        starts: 2,
        last_end: Some("exit code 1 at 2026-01-01T00:00:00Z".to_owned()),
        ready,
        reason: if ready { "" } else { "exit code 1" }.to_owned(),
        role: ready.then(|| if number == 1 { "leader" } else { "follower" }.to_owned()),
        member_id: None,
        applied_index: ready.then_some(77),
        version: Some("3.5.16".to_owned()),
        seen_ms: Some(1_200),
        generation: 5,
    };
    ComponentView {
        name: "orders".to_owned(),
        pack: "ring".to_owned(),
        revision: 42,
        verdict: "degraded".to_owned(),
        reason: "2 of 3 members are ready".to_owned(),
        failure_tolerance: Some(0),
        instances: vec![instance(1, true), instance(2, true), instance(3, false)],
        operation: Some(operation().summary),
        settings: BTreeMap::from([("quota".to_owned(), serde_json::json!("2GiB"))]),
    }
}

fn steps() -> Vec<StepView> {
    let step = |number, kind: &str, title: &str, why: &str, status: &str, seen: &str| StepView {
        number,
        kind: kind.to_owned(),
        title: title.to_owned(),
        why: why.to_owned(),
        deadline_ms: 60_000,
        status: status.to_owned(),
        started_at: None,
        ended_at: None,
        seen: seen.to_owned(),
    };
    vec![
        step(
            1,
            "require",
            "require quorum of `orders` without `orders-2`",
            "A majority of 2 of 3 must remain while one is away.",
            "finished",
            "3 of 3 healthy",
        ),
        step(
            2,
            "desire",
            "restart `orders-2`",
            "It follows: nobody notices.",
            "started",
            "waiting for `orders-2` to be ready",
        ),
        step(3, "verify", "verify `orders`", "All members are ready.", "pending", ""),
    ]
}

pub(crate) fn plan() -> PlanView {
    PlanView {
        title: "component restart orders".to_owned(),
        steps: steps(),
        locks: vec!["orders".to_owned()],
        confirm: None,
    }
}

pub(crate) fn operation() -> OperationView {
    OperationView {
        summary: OperationSummary {
            id: "01J8OPERATION".to_owned(),
            title: "component restart orders".to_owned(),
            status: "running".to_owned(),
            finished_steps: 1,
            steps: 3,
            requested_by: "admin".to_owned(),
            requested_at: "2026-01-02T03:04:05Z".to_owned(),
            ended_at: None,
        },
        step_list: steps(),
        refusal: None,
        can_be_left: false,
        to_do: Vec::new(),
        transcript: vec![TranscriptView {
            at: "2026-01-02T03:04:05Z".to_owned(),
            by: "admin".to_owned(),
            what: "requested".to_owned(),
        }],
    }
}
