//! The clusters of the samples, each in one condition.

use quorate_api::rest::{
    Precondition, PreferredView, ReadinessView, StatedView, StatusView, UnmanagedView,
};
use quorate_model::{Refusal, Timestamp, codes};

use super::{
    Sample,
    parts::{
        audit, before, component, enrolment, instance, manager, master, operation, restart_plan,
    },
};

const HOSTS: [(u16, &str); 3] = [(4, "host-a"), (5, "host-b"), (6, "host-c")];

/// Three masters, three node managers, two components, all well.
#[must_use]
pub fn healthy(now: Timestamp) -> Sample {
    let masters =
        vec![master(1, "host-a", true), master(2, "host-b", false), master(3, "host-c", false)];
    let managers = HOSTS.map(|(number, name)| manager(number, name, 2)).to_vec();
    let roles = ["follower", "leader", "follower"];
    let orders = (1..)
        .zip(HOSTS.iter().zip(roles))
        .map(|(n, (host, role))| instance(now, &format!("orders-{n}"), *host, Some(role)))
        .collect();
    let hello = (1..)
        .zip(HOSTS)
        .map(|(n, host)| instance(now, &format!("hello-{n}"), host, None))
        .collect();
    let plan = restart_plan("orders");
    let done = operation(now, "01K1MZ4H8E7R2N5S9T0V3W6X1A", plan.clone(), "succeeded", (7200, 13));
    Sample {
        name: "healthy",
        node: "n1".to_owned(),
        role: "admin".to_owned(),
        readiness: ReadinessView { ready: true, unmet: Vec::new() },
        status: StatusView {
            joint: false,
            operations: Vec::new(),
            cluster_id: "01K1HZX5V0B8N4D7C2M6Q9R3TA".to_owned(),
            quorate: true,
            healthy: true,
            problems: Vec::new(),
            leader: Some("n1".to_owned()),
            term: 4,
            epoch: 1,
            feature_level: 1,
            applied_index: 184_203,
            voters: 3,
            failure_tolerance: Some(1),
            one_more_death: "1 more masters may die before changes stop".to_owned(),
            recovery: None,
            tombstones: Vec::new(),
            preferred_leader: None,
            even_voters: None,
            autopilot_waits: String::new(),
            enrolments_waiting: 0,
            to_do: Vec::new(),
            masters,
            node_managers: managers,
        },
        enrolments: Vec::new(),
        components: vec![
            component("orders", "ledger", orders),
            component("hello", "process", hello),
        ],
        operations: vec![done],
        plan: Ok(plan),
        audit: audit(now),
        log: "{\"level\":\"info\",\"msg\":\"raft.node: elected leader\",\"term\":7}\n".repeat(12),
    }
}

/// Two hosts wait at the door, one has been let in; a fourth master learns, and the first is
/// preferred as leader.
#[must_use]
pub fn growing(now: Timestamp) -> Sample {
    let mut sample = healthy(now);
    sample.name = "growing";
    let mut fourth = master(7, "host-d", false);
    fourth.role = "learner".to_owned();
    fourth.learner_only = Some(StatedView {
        reason: "its disk is being replaced".to_owned(),
        by: "user:ann".to_owned(),
        at: before(now, 3_600),
    });
    sample.status.masters.push(fourth);
    sample.status.masters[1].priority = 10;
    let preferred = sample.status.masters[1].id.clone();
    sample.status.preferred_leader =
        Some(PreferredView { node: preferred, takes_over_in_ms: Some(74_200) });
    sample.status.autopilot_waits =
        "1 learner has caught up; another is needed to keep voters odd".to_owned();
    sample.enrolments = vec![
        enrolment(now, (8, "host-e"), "master", "waits"),
        enrolment(now, (9, "a-host-with-quite-a-long-name-in-rack-17"), "node-manager", "waits"),
        enrolment(now, (10, "host-g"), "both", "approved by user:ann"),
    ];
    sample.status.enrolments_waiting = 2;
    // What a reset let go of.
    sample.status.node_managers[1].unmanaged = vec![UnmanagedView {
        instance: "ledger-2".to_owned(),
        component: "ledger".to_owned(),
        pid: 18_233,
    }];
    sample
}

/// A rolling restart is half-way; nothing is wrong.
#[must_use]
pub fn restarting(now: Timestamp) -> Sample {
    let mut sample = healthy(now);
    let running =
        operation(now, "01K1N6W7Q0T5Y8ZC3V9B2M4X6D", restart_plan("orders"), "running", (41, 7));
    sample.name = "restarting";
    sample.components[0].operation = Some(running.summary.clone());
    let restarted = &mut sample.components[0].instances[2];
    restarted.starts = 2;
    restarted.last_end = Some("signal 9 at 2026-01-05T03:12:44Z".to_owned());
    restarted.started_at = Some(before(now, 3));
    restarted.ready = false;
    restarted.applied_index = Some(91_212);
    "it is 225 entries behind its leader".clone_into(&mut restarted.reason);
    sample.components[0].verdict = "degraded".to_owned();
    sample.components[0].failure_tolerance = Some(0);
    sample.components[0].reason =
        "2 of 3 healthy, 2 needed; `orders-3` is not ready: it is 225 entries behind".to_owned();
    sample.status.healthy = false;
    sample.status.problems = vec![
        "component orders is degraded: 2 of 3 healthy, 2 needed; `orders-3` is not ready"
            .to_owned(),
    ];
    sample.operations.insert(0, running);
    sample
}

/// One host is dead: a master, a node manager and a member with it.
#[must_use]
pub fn degraded(now: Timestamp) -> Sample {
    let mut sample = healthy(now);
    sample.name = "degraded";
    let master = &mut sample.status.masters[2];
    master.ready = false;
    master.matched_index = Some(183_990);
    "it has not answered for 252 s".clone_into(&mut master.reason);
    let manager = &mut sample.status.node_managers[2];
    manager.ready = false;
    manager.last_report_ms = Some(252_000);
    "it last reported 252 s ago".clone_into(&mut manager.reason);
    for component in &mut sample.components {
        let lost = &mut component.instances[2];
        lost.ready = false;
        lost.process = "unknown".to_owned();
        lost.pid = None;
        lost.started_at = None;
        lost.role = None;
        lost.applied_index = None;
        lost.seen_ms = Some(252_000);
        lost.reason = "its node manager `host-c` has not reported for 252 s".to_owned();
        component.verdict = "degraded".to_owned();
        component.failure_tolerance = component.failure_tolerance.map(|spare| spare - 1);
        let needed = if component.pack == "ledger" { 2 } else { 1 };
        component.reason =
            format!("2 of 3 healthy, {needed} needed; nothing is known of `{}-3`", component.name);
    }
    let cause = "the quorum of `orders` would be lost: 1 of 3 members would remain, 2 are needed";
    sample.plan = Err(vec![
        Refusal::new(
            codes::QUORUM_WOULD_BE_LOST,
            "cannot restart `orders`: taking `orders-1` away would lose its quorum",
        )
        .cause(cause)
        .hint("bring `orders-3` back first; look at it: quorate component show orders"),
        Refusal::new(codes::MEMBER_UNKNOWN, "nothing is known of `orders-3`")
            .cause("its node manager `host-c` has not reported for 252 s")
            .hint("see that it runs: quorate status"),
    ]);
    let status = &mut sample.status;
    status.healthy = false;
    status.failure_tolerance = Some(0);
    status.one_more_death = "one more dead master stops all changes".to_owned();
    status.problems = vec![
        "master host-c is not ready: it has not answered for 252 s".to_owned(),
        "node manager host-c is not ready: it last reported 252 s ago".to_owned(),
        "component orders is degraded: 2 of 3 healthy, 2 needed; nothing is known of `orders-3`"
            .to_owned(),
        "component hello is degraded: 2 of 3 healthy, 1 needed; nothing is known of `hello-3`"
            .to_owned(),
    ];
    sample
}

/// An operation stands still and waits for a person.
#[must_use]
pub fn stuck(now: Timestamp) -> Sample {
    let mut sample = healthy(now);
    sample.name = "stuck";
    let mut operation =
        operation(now, "01K1N7A2B3C4D5E6F7G8H9J0KM", restart_plan("orders"), "stuck", (400, 7));
    let refusal = Refusal::new(codes::STEP_DEADLINE, "step 8 did not reach its end in time")
        .cause("`orders-3` is not ready after 120 s: connection refused by 10.0.0.6:2379")
        .hint("look at its log: quorate component logs orders; then resume or abort the operation");
    operation.step_list[7].status = "failed".to_owned();
    operation.step_list[7].started_at = Some(before(now, 170));
    operation.step_list[7].ended_at = Some(before(now, 50));
    operation.step_list[7].seen =
        "`orders-3` is not ready: connection refused by 10.0.0.6:2379".to_owned();
    sample.status.problems = vec![
        "component orders is degraded: 2 of 3 healthy, 2 needed; `orders-3` is not ready"
            .to_owned(),
        format!(
            "operation {} (component restart orders) is stuck: {}",
            operation.summary.id, refusal.message
        ),
    ];
    sample.status.healthy = false;
    operation.refusal = Some(refusal);
    let orders = &mut sample.components[0];
    orders.operation = Some(operation.summary.clone());
    orders.verdict = "degraded".to_owned();
    orders.failure_tolerance = Some(0);
    orders.reason = "2 of 3 healthy, 2 needed; `orders-3` is not ready".to_owned();
    let bad = &mut orders.instances[2];
    bad.ready = false;
    bad.process = "exited".to_owned();
    bad.pid = None;
    bad.started_at = None;
    bad.role = None;
    bad.applied_index = None;
    bad.reason = format!("exit code 1 at {}", before(now, 171));
    sample.plan = Err(vec![
        Refusal::new(codes::OPERATION_CONFLICT, "an operation is running on `orders`")
            .cause(format!("operation {} holds it", operation.summary.id))
            .hint("wait for its end, or abort it"),
    ]);
    sample.operations.insert(0, operation);
    sample
}

/// The first minute of a cluster: one master and nothing else.
#[must_use]
pub fn empty(now: Timestamp) -> Sample {
    let mut sample = healthy(now);
    sample.name = "empty";
    sample.status.masters.truncate(1);
    sample.status.node_managers.clear();
    sample.status.voters = 1;
    sample.status.term = 1;
    sample.status.applied_index = 6;
    sample.status.masters[0].matched_index = Some(6);
    sample.status.failure_tolerance = Some(0);
    sample.status.one_more_death = "the only master: its death stops all changes".to_owned();
    sample.components.clear();
    sample.operations.clear();
    sample.audit.clear();
    sample.log.clear();
    sample
}

/// Seen from a master that does not lead: it cannot see the others, nor any report.
#[must_use]
pub fn follower(now: Timestamp) -> Sample {
    let mut sample = healthy(now);
    sample.name = "follower";
    sample.node = "n2".to_owned();
    sample.role = "viewer".to_owned();
    let unseen = "only the leader can see it, and this master does not lead";
    sample.status.problems.clear();
    for master in sample.status.masters.iter_mut().filter(|master| master.id != "n2") {
        master.ready = false;
        master.matched_index = None;
        unseen.clone_into(&mut master.reason);
        sample.status.problems.push(format!("master {} is not ready: {unseen}", master.name));
    }
    for component in &mut sample.components {
        component.verdict = "unknown".to_owned();
        component.failure_tolerance = None;
        component.reason = "0 of 3 healthy".to_owned();
        for instance in &mut component.instances {
            instance.process = "unknown".to_owned();
            instance.ready = false;
            instance.seen_ms = None;
            instance.pid = None;
            instance.started_at = None;
            instance.role = None;
        }
    }
    sample.status.healthy = false;
    sample
}

/// The other masters are gone.
#[must_use]
pub fn no_quorum(now: Timestamp) -> Sample {
    let mut sample = degraded(now);
    sample.name = "no-quorum";
    let master = &mut sample.status.masters[1];
    master.ready = false;
    "it has not answered for 31 s".clone_into(&mut master.reason);
    sample.status.quorate = false;
    sample.status.leader = None;
    sample.status.failure_tolerance = None;
    sample.status.one_more_death = "the masters cannot act now".to_owned();
    sample.status.problems.insert(
        0,
        "no quorum of masters acts: of 3 voters 2 are needed; not reached from this master: host-b \
         at 10.0.0.2:9901, host-c at 10.0.0.3:9901"
            .to_owned(),
    );
    sample.status.to_do = vec![
        "start host-b at 10.0.0.2:9901, host-c at 10.0.0.3:9901, until 2 of 3 voters run and reach \
         each other; on each of their hosts: quorate start"
            .to_owned(),
        "if too many are gone for good: on every master that is left, quorate stop, then quorate \
         recover collect --out NAME.json; docs/recover.md goes on from there"
            .to_owned(),
    ];
    for master in &mut sample.status.masters {
        master.is_leader = false;
    }
    sample
        .status
        .problems
        .insert(1, "master host-b is not ready: it has not answered for 31 s".to_owned());
    sample
}

/// Not ready yet.
#[must_use]
pub fn starting(now: Timestamp) -> Sample {
    let mut sample = healthy(now);
    sample.name = "starting";
    sample.readiness = ReadinessView {
        ready: false,
        unmet: vec![Precondition {
            name: "quorum".to_owned(),
            unmet: "no quorum of masters answers: 1 of 3 voters can be reached".to_owned(),
        }],
    };
    sample
}

/// Names as long as they may be, and longer words than anybody should write.
#[must_use]
pub fn long_names(now: Timestamp) -> Sample {
    let mut sample = restarting(now);
    sample.name = "long-names";
    let long = "the-quite-long-name-of-a-thing-that-somebody-meant-to-be-exact";
    for master in &mut sample.status.masters {
        master.name = format!("{long}{}", &master.id[1..]);
        master.admin_addr = format!("{}.example.internal:8080", master.name);
    }
    for manager in &mut sample.status.node_managers {
        manager.name = format!("{long}{}", &manager.id[1..]);
    }
    for component in &mut sample.components {
        component.name = long.to_owned();
        component.reason = format!("{} {}", component.reason, "and so on".repeat(30));
        for instance in &mut component.instances {
            instance.name = format!("{long}-{}", &instance.node[1..]);
            instance.node_name = format!("{long}{}", &instance.node[1..]);
            instance.reason = "x".repeat(300);
        }
    }
    for operation in &mut sample.operations {
        operation.summary.title = format!("component restart {long}");
        operation.step_list[7].seen = "y".repeat(400);
    }
    sample.status.problems.push("z".repeat(300));
    sample.audit[0].target = long.repeat(3);
    sample
}

/// Names and words that would be markup, were they not escaped.
#[must_use]
pub fn hostile(now: Timestamp) -> Sample {
    let mut sample = stuck(now);
    sample.name = "hostile";
    let evil = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>`<b>`";
    let refusal = Refusal::new(codes::INTERNAL, evil).cause(evil).hint(evil);
    for problem in &mut sample.status.problems {
        problem.push_str(evil);
    }
    for master in &mut sample.status.masters {
        master.name.push_str(evil);
        master.reason.push_str(evil);
        master.admin_addr.push_str(evil);
        master.version.push_str(evil);
    }
    for manager in &mut sample.status.node_managers {
        manager.name.push_str(evil);
        manager.reason.push_str(evil);
        manager.address.push_str(evil);
    }
    for component in &mut sample.components {
        component.name.push_str(evil);
        component.pack.push_str(evil);
        component.reason.push_str(evil);
        component.settings.insert(evil.to_owned(), evil.into());
        for instance in &mut component.instances {
            instance.name.push_str(evil);
            instance.reason.push_str(evil);
            instance.node_name.push_str(evil);
            instance.role = Some(evil.to_owned());
            instance.version = Some(evil.to_owned());
            instance.started_at = Some(evil.to_owned());
        }
    }
    for operation in &mut sample.operations {
        operation.summary.title.push_str(evil);
        operation.summary.requested_by.push_str(evil);
        operation.refusal = Some(refusal.clone());
        for step in &mut operation.step_list {
            step.title.push_str(evil);
            step.why.push_str(evil);
            step.seen.push_str(evil);
        }
        for line in &mut operation.transcript {
            line.what.push_str(evil);
            line.by.push_str(evil);
        }
    }
    for line in &mut sample.audit {
        line.principal.push_str(evil);
        line.target.push_str(evil);
        line.at.push_str(evil);
    }
    sample.plan = Err(vec![refusal]);
    sample.status.cluster_id.push_str(evil);
    sample.log.push_str(evil);
    sample.node.push_str(evil);
    sample
}
