//! What the samples are made of: masters, node managers, instances, steps.

use quorate_api::rest::{
    AuditView, ComponentView, EnrolmentView, InstanceView, MasterView, NodeManagerView,
    OperationSummary, OperationView, PlanView, StepView, TranscriptView,
};
use quorate_model::{Timestamp, spoken_digest};

/// RFC 3339 of `seconds` before `now`.
pub(super) fn before(now: Timestamp, seconds: u64) -> String {
    Timestamp(now.0.saturating_sub(seconds * 1000)).to_string()
}

pub(super) fn enrolment(
    now: Timestamp,
    (number, name): (u16, &str),
    role: &str,
    status: &str,
) -> EnrolmentView {
    let key_sha256 = format!("{:02x}", number * 23).repeat(32);
    let is_master = role != "node-manager";
    EnrolmentView {
        id: format!("01K1N9Q4D2W8F6J3T5Y7R0{number:04}"),
        name: name.to_owned(),
        role: role.to_owned(),
        fingerprint: spoken_digest(&key_sha256),
        key_sha256,
        address: format!("10.0.0.{number}"),
        internal_addr: if is_master { format!("10.0.0.{number}:9901") } else { String::new() },
        version: "0.1.0".to_owned(),
        asked_at: before(now, 40),
        expires_at: Timestamp(now.0 + 860_000).to_string(),
        token_by: "user:ann".to_owned(),
        status: status.to_owned(),
    }
}

pub(super) fn master(number: u16, name: &str, is_leader: bool) -> MasterView {
    MasterView {
        id: format!("n{number}"),
        name: name.to_owned(),
        ready: true,
        is_leader,
        role: "voter".to_owned(),
        applied_index: None,
        lag: None,
        matched_index: Some(184_203),
        admin_addr: format!("10.0.0.{number}:8080"),
        internal_addr: format!("10.0.0.{number}:9901"),
        version: "0.1.0".to_owned(),
        reason: String::new(),
        priority: 0,
        learner_only: None,
        stalled: String::new(),
    }
}

pub(super) fn manager(number: u16, name: &str, instances: usize) -> NodeManagerView {
    NodeManagerView {
        id: format!("n{number}"),
        name: name.to_owned(),
        ready: true,
        address: format!("10.0.0.{number}"),
        last_report_ms: Some(400),
        instances,
        unmanaged: Vec::new(),
        version: "0.1.0".to_owned(),
        reason: String::new(),
    }
}

pub(super) fn instance(
    now: Timestamp,
    name: &str,
    node: (u16, &str),
    role: Option<&str>,
) -> InstanceView {
    InstanceView {
        name: name.to_owned(),
        node: format!("n{}", node.0),
        node_name: node.1.to_owned(),
        desired: "running".to_owned(),
        process: "running".to_owned(),
        pid: Some(20_000 + u32::from(node.0) * 113),
        started_at: Some(before(now, 11_640 + u64::from(node.0) * 61)),
        starts: 1,
        last_end: None,
        ready: true,
        reason: String::new(),
        role: role.map(ToOwned::to_owned),
        member_id: role.map(|_| format!("8e9e05c52164694{}", node.0 % 10)),
        applied_index: role.map(|_| 91_437),
        version: role.map(|_| "3.5.16".to_owned()),
        seen_ms: Some(600),
        generation: 12,
    }
}

pub(super) fn component(name: &str, pack: &str, instances: Vec<InstanceView>) -> ComponentView {
    let total = instances.len();
    let settings = [
        ("snapshot-count", serde_json::json!(10_000)),
        ("client-port", serde_json::json!(2379)),
        ("auto-compaction-retention", serde_json::json!("1h")),
    ];
    ComponentView {
        name: name.to_owned(),
        pack: pack.to_owned(),
        revision: 184_113,
        verdict: "up".to_owned(),
        reason: format!("{total} of {total} healthy"),
        failure_tolerance: Some(if pack == "ledger" { (total - 1) / 2 } else { total - 1 }),
        instances,
        operation: None,
        settings: settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

/// The plan of a rolling restart of a component with members `1`, `2`, `3`, of which `2` leads.
pub(super) fn restart_plan(component: &str) -> PlanView {
    let mut steps = Vec::new();
    for member in [1, 3, 2] {
        let it = format!("{component}-{member}");
        steps.push(("require", format!("Require that `{component}` keeps its quorum without `{it}`"), format!("While `{it}` restarts, 2 of 3 members remain and 2 are needed; counted on fresh observations just before the restart.")));
        if member == 2 {
            steps.push(("member", format!("Move leadership from `{it}` to `{component}-1`"), format!("`{it}` leads. Moved by the component's own means, leadership changes hands within milliseconds; stopping a leader would cost an election. `{component}-1` was restarted already.")));
        } else {
            steps.push(("member", format!("See to it that `{it}` does not lead"), format!("It did not when this plan was made. Should leadership have come to it since, it is moved to `{component}-2` first.")));
        }
        steps.push(("desire", format!("Restart `{it}`"), "One member at a time: the others go on serving. The order carries a generation, so the member is restarted once, whatever happens to the masters.".to_owned()));
        steps.push(("await", format!("Await that `{it}` is healthy and has caught up"), "The next member is touched only when this one counts towards the quorum again and has stayed so.".to_owned()));
    }
    steps.push((
        "verify",
        format!("Verify that `{component}` is whole"),
        "The end state is looked at once more: every member healthy, one leader, one membership."
            .to_owned(),
    ));
    let steps = (1..)
        .zip(steps)
        .map(|(number, (kind, title, why))| StepView {
            number,
            kind: kind.to_owned(),
            title,
            why,
            deadline_ms: 120_000,
            status: "pending".to_owned(),
            started_at: None,
            ended_at: None,
            seen: String::new(),
        })
        .collect();
    PlanView {
        title: format!("component restart {component}"),
        steps,
        locks: vec![component.to_owned()],
        confirm: None,
    }
}

/// An operation over a plan that began `begun` seconds before `now` and has finished its first
/// `finished` steps; the next one is `started` when it runs.
pub(super) fn operation(
    now: Timestamp,
    id: &str,
    plan: PlanView,
    status: &str,
    (begun, finished): (u64, usize),
) -> OperationView {
    let mut step_list = plan.steps;
    let total = step_list.len();
    let mut transcript = vec![TranscriptView {
        at: before(now, begun),
        by: "user:ann".to_owned(),
        what: format!("asked for `{}`", plan.title),
    }];
    let pace = begun / (finished as u64 + 1);
    for (place, step) in (0_u64..).zip(step_list.iter_mut().take(finished)) {
        "finished".clone_into(&mut step.status);
        step.started_at = Some(before(now, begun - place * pace));
        step.ended_at = Some(before(now, begun - (place + 1) * pace));
        step.seen = seen_of(&step.kind).to_owned();
        transcript.push(TranscriptView {
            at: before(now, begun - (place + 1) * pace),
            by: "n1, term 4".to_owned(),
            what: format!("finished step {}: {}", step.number, step.title),
        });
    }
    if let Some(step) = step_list.get_mut(finished).filter(|_| status == "running") {
        "started".clone_into(&mut step.status);
        step.started_at = Some(before(now, begun - finished as u64 * pace));
        step.seen = format!("waiting: {}", seen_of(&step.kind));
    }
    let is_over = matches!(status, "succeeded" | "aborted");
    OperationView {
        summary: OperationSummary {
            id: id.to_owned(),
            title: plan.title,
            status: status.to_owned(),
            finished_steps: finished,
            steps: total,
            requested_by: "user:ann".to_owned(),
            requested_at: before(now, begun),
            ended_at: is_over.then(|| before(now, begun / 10)),
        },
        step_list,
        refusal: None,
        can_be_left: false,
        to_do: Vec::new(),
        transcript,
    }
}

fn seen_of(kind: &str) -> &'static str {
    match kind {
        "require" => "2 of 3 healthy without it, 2 needed",
        "member" => "it does not lead",
        "desire" => "ordered with generation 13",
        "await" => "healthy for 3 s, applied index 91 437, leader at 91 437",
        _ => "3 of 3 healthy, one leader, one membership",
    }
}

pub(super) fn audit(now: Timestamp) -> Vec<AuditView> {
    let lines = [
        (41, "user:ann", "operation.submit", "component restart orders", None),
        (42, "n1", "operation.step", "01K1N6W7Q0T5Y8ZC3V9B2M4X6D", None),
        (900, "user:bob", "setting.put", "proxy/orders/maxconn", None),
        (960, "user:eve", "component.remove", "orders", Some(quorate_model::codes::FORBIDDEN)),
        (86_400, "token:01K1J2", "node.enrol", "host-f", None),
    ];
    (0..)
        .zip(lines)
        .map(|(place, (ago, principal, action, target, refused))| AuditView {
            index: 184_203 - place * 37,
            at: before(now, ago),
            principal: principal.to_owned(),
            action: action.to_owned(),
            target: target.to_owned(),
            refused: refused.map(|code: quorate_model::Code| code.to_string()),
            hash: "9f3c".repeat(16),
        })
        .collect()
}
