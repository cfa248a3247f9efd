//! The doctor's rules as tables, and whole reports as an operator reads them.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf, time::Duration};

use quorate_model::{
    CommitTimes, Condition, FileFacts, FolderFacts, HostCheckup, MasterCheckup, NodeCheckup,
    NodeId, NodeName, NodeRoles, Operation, OperationId, OperationRequest, OperationStatus, Plan,
    Reach, Refusal, Step, StepKind, StepRecord, StepStatus, Term, Timestamp, Trouble, TroubleKind,
    Undo, codes,
};
use quorate_plan::{
    Observations,
    doctor::{Answer, CHECKS, DoctorFacts, Finding, Severity, examine, examine_host},
};
use quorate_state::{Node, Recovery, State, Stated, Tombstone};

const DAY_MS: u64 = 24 * 3600 * 1000;
const NOW: Timestamp = Timestamp(1_785_636_900_000);

/// Three masters and a node manager, all well, to be made worse.
struct World {
    state: State,
    masters: BTreeMap<NodeId, Result<Answer, String>>,
    managers: BTreeMap<NodeId, (Answer, Duration)>,
    silent_for: BTreeMap<NodeId, Duration>,
    observations: Observations,
    quorate: bool,
    tolerance: Option<usize>,
    components: Vec<(String, String, String)>,
    authority_until: Option<Timestamp>,
}

fn node(name: &str, master: bool) -> Node {
    Node {
        name: NodeName::new(name).unwrap(),
        roles: NodeRoles { master, node_manager: !master },
        address: "10.0.0.1".to_owned(),
        internal_addr: format!("{name}:9901"),
        admin_addr: format!("{name}:8080"),
        joined_at: Timestamp(NOW.0 - 30 * DAY_MS),
        version: "0.1.0".to_owned(),
        ..serde_json::from_value(serde_json::json!({
            "name": name, "roles": {}, "address": "", "joined_at": 0
        }))
        .unwrap()
    }
}

fn host() -> HostCheckup {
    let folder = |what: &str, mode| FolderFacts {
        what: what.to_owned(),
        path: format!("/quorate/{what}"),
        mode,
        free_bytes: 50 << 30,
        total_bytes: 100 << 30,
        free_files: 900,
        total_files: 1000,
    };
    HostCheckup {
        folders: vec![folder("data", 0o700), folder("configuration", 0o750), folder("run", 0o755)],
        secret_files: vec![FileFacts {
            what: "node's private key".to_owned(),
            path: "/quorate/data/identity/node.key".to_owned(),
            mode: 0o600,
        }],
        open_files: Some(65_536),
        core_bytes: Some(0),
        time_daemon: Some("chronyd".to_owned()),
        certificate_from: Some(Timestamp(NOW.0 - 100 * DAY_MS)),
        certificate_until: Some(Timestamp(NOW.0 + 265 * DAY_MS)),
        sync_us: vec![900, 1000, 1100],
    }
}

fn answer(id: u64, master: bool) -> Answer {
    let reach = |node: u64, port: &str, addr: u64| Reach {
        node: NodeId(node),
        port: port.to_owned(),
        addr: format!("m{node}:{addr}"),
        error: String::new(),
    };
    let others = || (1..=3).filter(move |other| *other != id);
    let checkup = NodeCheckup {
        version: "0.1.0".to_owned(),
        reads_feature_level: 1,
        zone: format!("rack-{id}"),
        asked_at: NOW,
        answered_at: NOW,
        master: master.then(|| MasterCheckup {
            role: if id == 1 { "leader" } else { "follower" }.to_owned(),
            term: 4,
            leader: Some(NodeId(1)),
            voters: vec![NodeId(1), NodeId(2), NodeId(3)],
            feature_level: 1,
            applied_index: 5000,
            state_index: 4999,
            state_digest: "abcdef0123456789".to_owned(),
            commits: Some(CommitTimes { count: 800, p50_us: 1200, p99_us: 4300, max_us: 9000 }),
            ..MasterCheckup::default()
        }),
        host: host(),
        reaches: others()
            .flat_map(|other| [reach(other, "internal", 9901), reach(other, "admin", 8080)])
            .collect(),
    };
    Answer { checkup, clock_ahead_ms: 3, clock_doubt_ms: 1 }
}

impl World {
    fn new() -> Self {
        let mut state = State::default();
        state.feature_level = 1;
        for id in 1..=3 {
            state.metadata.nodes.insert(NodeId(id), node(&format!("m{id}"), true));
        }
        state.metadata.nodes.insert(NodeId(4), node("w1", false));
        let mut observations = Observations::default();
        observations.nodes.insert(NodeId(4), Duration::from_millis(300));
        Self {
            state,
            masters: (1..=3).map(|id| (NodeId(id), Ok(answer(id, true)))).collect(),
            managers: [(NodeId(4), (answer(4, false), Duration::from_secs(3)))].into(),
            silent_for: BTreeMap::new(),
            observations,
            quorate: true,
            tolerance: Some(1),
            components: vec![("orders".to_owned(), "up".to_owned(), String::new())],
            authority_until: Some(Timestamp(NOW.0 + 3000 * DAY_MS)),
        }
    }

    fn master(&mut self, id: u64) -> &mut MasterCheckup {
        self.answer(id).checkup.master.as_mut().unwrap()
    }

    fn answer(&mut self, id: u64) -> &mut Answer {
        self.masters.get_mut(&NodeId(id)).unwrap().as_mut().unwrap()
    }

    fn silence(&mut self, id: u64) {
        self.masters.insert(NodeId(id), Err("connection refused".to_owned()));
    }

    fn findings(&self) -> Vec<Finding> {
        examine(&DoctorFacts {
            now: NOW,
            asked_by: NodeId(1),
            quorate: self.quorate,
            state: &self.state,
            failure_tolerance: self.tolerance,
            masters: self.masters.clone(),
            managers: self.managers.clone(),
            silent_for: self.silent_for.clone(),
            observations: &self.observations,
            leads: true,
            authority_until: self.authority_until,
            components: self.components.clone(),
        })
    }

    /// What is not well: id and severity.
    fn bad(&self) -> Vec<(&'static str, &'static str)> {
        self.findings()
            .iter()
            .filter(|it| it.severity.is_bad())
            .map(|it| (it.id, it.severity.as_str()))
            .collect()
    }
}

/// Compares a report with the file of that name; `QUORATE_UPDATE_GOLDEN=1` writes it.
#[track_caller]
fn golden(name: &str, findings: &[Finding]) {
    let mut text = String::new();
    for Finding { id, severity, about, seen, fix, .. } in findings {
        let _ = writeln!(text, "{:<7} {id} [{about}] {seen}", severity.as_str());
        if !fix.is_empty() {
            let _ = writeln!(text, "        fix: {fix}");
        }
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.txt"));
    if std::env::var_os("QUORATE_UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    assert_eq!(text, expected, "{name}");
}

#[test]
fn a_healthy_cluster_has_every_check_and_nothing_bad() {
    let world = World::new();
    assert_eq!(world.bad(), []);
    let findings = world.findings();
    for check in CHECKS {
        assert!(findings.iter().any(|it| it.id == check.id), "{} says nothing", check.id);
    }
    golden("doctor-healthy", &findings);
}

#[test]
fn one_dead_master_is_named_once() {
    let mut world = World::new();
    world.silence(3);
    world.tolerance = Some(0);
    for id in 1..=2 {
        for reach in &mut world.answer(id).checkup.reaches {
            if reach.node == NodeId(3) {
                reach.error = "connection refused".to_owned();
            }
        }
    }
    for reach in &mut world.managers.get_mut(&NodeId(4)).unwrap().0.checkup.reaches {
        if reach.node == NodeId(3) {
            reach.error = "connection refused".to_owned();
        }
    }
    let trouble = Trouble {
        kind: TroubleKind::Replication,
        node: Some(NodeId(3)),
        count: 77,
        last_ago_ms: 2000,
        words: "connection refused".to_owned(),
    };
    world.master(1).troubles.push(trouble);
    assert_eq!(
        world.bad(),
        [("masters-answer", "problem"), ("quorum", "warning"), ("replication", "warning")]
    );
    golden("doctor-one-dead", &world.findings());
}

#[test]
fn everything_at_once_can_still_be_read() {
    let mut world = World::new();
    world.quorate = false;
    world.tolerance = None;
    world.silence(2);
    world.silence(3);
    world.managers.get_mut(&NodeId(4)).unwrap().0.clock_ahead_ms = -3_600_000;
    world.observations.nodes.clear();
    world.components =
        vec![("orders".to_owned(), "down".to_owned(), "1 of 3 are ready".to_owned())];
    let removed = Tombstone { name: NodeName::new("old").unwrap(), removed_at: NOW };
    world.state.metadata.tombstones.insert(NodeId(9), removed);
    world.master(1).troubles = vec![
        Trouble {
            kind: TroubleKind::Proposal,
            node: None,
            count: 1,
            last_ago_ms: 61_000,
            words: "no leader".to_owned(),
        },
        Trouble {
            kind: TroubleKind::RefusedNode,
            node: Some(NodeId(9)),
            count: 3,
            last_ago_ms: 600,
            words: String::new(),
        },
    ];
    let host = &mut world.answer(1).checkup.host;
    host.folders[0].mode = 0o755;
    host.folders[0].free_bytes = 100 << 20;
    host.secret_files[0].mode = 0o644;
    host.core_bytes = Some(u64::MAX);
    host.open_files = Some(1024);
    host.time_daemon = None;
    host.certificate_until = Some(NOW);
    host.sync_us = vec![300_000, 400_000, 500_000];
    world.master(1).elections = 12;
    golden("doctor-everything", &world.findings());
}

/// One change and what it gives.
#[test]
fn each_rule_finds_what_it_is_for() {
    /// What is changed, how, and which findings of which severity it gives.
    type Row<'a> = (&'a str, fn(&mut World), &'a [(&'a str, &'a str)]);
    let table: [Row<'_>; 29] = [
        ("a term differs", |w| w.master(3).term = 9, &[("masters-agree", "problem")]),
        ("a leader differs", |w| w.master(3).leader = None, &[("masters-agree", "problem")]),
        ("voters differ", |w| w.master(3).voters.truncate(2), &[("masters-agree", "problem")]),
        (
            "two leaders",
            |w| w.master(2).role = "leader".to_owned(),
            &[("masters-agree", "problem")],
        ),
        (
            "a state differs at the same index",
            |w| w.master(3).state_digest = "0000".to_owned(),
            &[("state-equal", "problem")],
        ),
        (
            "a state differs at another index",
            |w| {
                w.master(3).state_digest = "0000".to_owned();
                w.master(3).state_index = 4998;
            },
            &[],
        ),
        (
            "a state that another version wrote in other bytes",
            |w| {
                w.master(3).state_digest = "0000".to_owned();
                w.answer(3).checkup.version = "0.2.0".to_owned();
            },
            &[("versions", "warning")],
        ),
        ("a few elections", |w| w.master(2).elections = 5, &[]),
        ("elections again and again", |w| w.master(2).elections = 6, &[("leadership", "warning")]),
        ("a lag", |w| w.master(3).applied_index = 3000, &[("lag", "warning")]),
        ("a small lag", |w| w.master(3).applied_index = 4900, &[]),
        (
            "a clock half a second off",
            |w| w.answer(2).clock_ahead_ms = 700,
            &[("clocks", "warning")],
        ),
        ("a clock far off", |w| w.answer(2).clock_ahead_ms = -6000, &[("clocks", "problem")]),
        (
            "a clock that only seems off",
            |w| {
                w.answer(2).clock_ahead_ms = 700;
                w.answer(2).clock_doubt_ms = 300;
            },
            &[],
        ),
        (
            "a closed internal port",
            |w| w.answer(2).checkup.reaches[0].error = "timed out".to_owned(),
            &[("ports", "problem")],
        ),
        (
            "a closed admin port",
            |w| w.answer(2).checkup.reaches[1].error = "timed out".to_owned(),
            &[("ports", "warning")],
        ),
        (
            "a master that only this one cannot reach",
            |w| {
                w.silence(3);
                for reach in &mut w.answer(1).checkup.reaches {
                    if reach.node == NodeId(3) {
                        reach.error = "timed out".to_owned();
                    }
                }
            },
            &[("masters-answer", "problem"), ("ports", "problem")],
        ),
        (
            "a master that is reached and does not answer",
            |w| w.silence(3),
            &[("masters-answer", "problem")],
        ),
        (
            "a slow log",
            |w| w.master(2).commits.as_mut().unwrap().p99_us = 150_000,
            &[("writes", "warning")],
        ),
        (
            "a slow log's first commits",
            |w| {
                let few = CommitTimes { count: 6, p50_us: 900_000, p99_us: 900_000, max_us: 0 };
                w.master(2).commits = Some(few);
            },
            &[],
        ),
        (
            "a group that may read data",
            |w| w.answer(2).checkup.host.folders[0].mode = 0o750,
            &[("permissions", "warning")],
        ),
        (
            "little space",
            |w| w.answer(2).checkup.host.folders[0].free_bytes = 5 << 30,
            &[("disk-space", "warning")],
        ),
        (
            "few files left",
            |w| w.answer(2).checkup.host.folders[0].free_files = 10,
            &[("disk-space", "warning")],
        ),
        (
            "a certificate that was not renewed",
            |w| {
                let host = &mut w.answer(2).checkup.host;
                host.certificate_until = Some(Timestamp(NOW.0 + 20 * DAY_MS));
            },
            &[("certificates", "warning")],
        ),
        (
            "a certificate that has not begun",
            |w| {
                let host = &mut w.answer(3).checkup.host;
                host.certificate_from = Some(Timestamp(NOW.0 + 5 * DAY_MS));
            },
            &[("certificates", "problem")],
        ),
        (
            "an authority that ends",
            |w| w.authority_until = Some(Timestamp(NOW.0 + 20 * DAY_MS)),
            &[("certificates", "problem")],
        ),
        (
            "another version",
            |w| w.answer(2).checkup.version = "0.2.0".to_owned(),
            &[("versions", "warning")],
        ),
        (
            "a binary that is too old",
            |w| w.answer(2).checkup.reads_feature_level = 0,
            &[("versions", "problem")],
        ),
        (
            "a component that lost a member",
            |w| w.components[0].1 = "degraded".to_owned(),
            &[("components", "warning")],
        ),
    ];
    for (what, change, expected) in table {
        let mut world = World::new();
        change(&mut world);
        assert_eq!(world.bad(), expected, "{what}");
    }
}

#[test]
fn voters_and_zones_are_judged_by_what_would_be_lost() {
    let mut world = World::new();
    world.answer(2).checkup.zone = "rack-1".to_owned();
    assert_eq!(world.bad(), [("zones", "warning")], "two of three in one rack");
    world.answer(3).checkup.zone = "rack-1".to_owned();
    assert_eq!(world.bad(), [("zones", "warning")], "all in one rack");
    world.answer(3).checkup.zone = String::new();
    assert_eq!(world.bad(), [], "what is not known is not blamed");

    let mut world = World::new();
    for id in 1..=3 {
        world.master(id).voters = vec![NodeId(1), NodeId(2)];
    }
    let bad = world.bad();
    assert!(bad.contains(&("voters-odd", "warning")), "{bad:?}");
    assert!(bad.contains(&("learners", "warning")), "m3 joined a month ago: {bad:?}");
    world.state.metadata.nodes.get_mut(&NodeId(3)).unwrap().joined_at = NOW;
    assert!(!world.bad().contains(&("learners", "warning")), "it has only just joined");
}

/// The one finding of a check.
#[track_caller]
fn only<'a>(findings: &'a [Finding], id: &str) -> &'a Finding {
    let mut found = findings.iter().filter(|it| it.id == id);
    let first = found.next().unwrap_or_else(|| panic!("{id} says nothing"));
    assert!(found.next().is_none(), "{id} says more than one thing");
    first
}

#[test]
fn an_even_number_that_was_accepted_is_told_with_its_reason() {
    let mut world = World::new();
    for id in 1..=3 {
        world.master(id).voters = vec![NodeId(1), NodeId(2)];
    }
    world.state.metadata.even_voters = Some(Stated {
        reason: "two rooms until June".to_owned(),
        by: "user:ann".to_owned(),
        at: NOW,
    });
    let findings = world.findings();
    let odd = only(&findings, "voters-odd");
    assert_eq!(odd.severity, Severity::Warning);
    assert!(odd.seen.ends_with("accepted by user:ann: two rooms until June"), "{}", odd.seen);
    assert!(odd.fix.contains("--withdraw-even"), "{}", odd.fix);
}

#[test]
fn the_disk_of_a_mere_node_manager_is_no_problem_of_the_cluster_and_its_age_is_told() {
    let mut world = World::new();
    let slow = vec![300_000, 400_000, 500_000];
    let (said, age) = world.managers.get_mut(&NodeId(4)).unwrap();
    said.checkup.host.sync_us.clone_from(&slow);
    *age = Duration::from_secs(14);
    assert_eq!(world.bad(), [("writes", "warning")]);
    let seen = |world: &World| {
        let findings = world.findings();
        let writes = findings.iter().find(|it| it.id == "writes" && it.severity.is_bad());
        writes.unwrap().seen.clone()
    };
    assert!(
        seen(&world).starts_with("w1: 3 small writes 14 s ago took 400.0 ms"),
        "{}",
        seen(&world)
    );
    assert!(seen(&world).contains("no master writes there"), "{}", seen(&world));

    // A master that is a node manager as well is a master, and was asked just now.
    let mut world = World::new();
    world.managers.insert(NodeId(2), (answer(2, false), Duration::from_secs(40)));
    world.answer(2).checkup.host.sync_us = slow;
    assert_eq!(world.bad(), [("writes", "problem")]);
    assert!(seen(&world).contains("3 small writes just now took"), "{}", seen(&world));
}

#[test]
fn what_nobody_looked_at_is_unknown_and_never_well() {
    let mut world = World::new();
    for id in 1..=3 {
        world.answer(id).checkup.host = HostCheckup::default();
    }
    world.managers.clear();
    let findings = world.findings();
    for id in ["disk-space", "permissions", "open-files", "core-dumps"] {
        assert_eq!(only(&findings, id).severity, Severity::Unknown, "{id}");
    }
    assert_eq!(world.bad(), [], "what is not known is not blamed");

    let mut world = World::new();
    world.managers.clear();
    for id in 1..=3 {
        world.silence(id);
    }
    world.quorate = false;
    let well: Vec<&str> =
        world.findings().iter().filter(|it| it.severity == Severity::Ok).map(|it| it.id).collect();
    // What is decided, or was reported to this leader, is known whoever answers.
    let decided = ["ports", "node-managers", "operations", "components"];
    assert!(well.iter().all(|id| decided.contains(id)), "{well:?}");

    // The node's own process is not asked by `examine_host`, nor are its disks measured.
    let host = HostCheckup { sync_us: Vec::new(), open_files: None, ..host() };
    let findings = examine_host(NOW, "m1", true, &host);
    assert_eq!(only(&findings, "writes").severity, Severity::Unknown);
    assert_eq!(only(&findings, "open-files").severity, Severity::Unknown);
    assert_eq!(only(&findings, "disk-space").severity, Severity::Ok);
}

fn trouble(kind: TroubleKind, node: u64) -> Trouble {
    let words = "connection refused".to_owned();
    Trouble { kind, node: Some(NodeId(node)), count: 9, last_ago_ms: 400, words }
}

#[test]
fn calls_to_a_node_that_was_removed_are_nobodys_trouble() {
    let trouble = |node| trouble(TroubleKind::Replication, node);
    let mut world = World::new();
    let removed = Tombstone { name: NodeName::new("old").unwrap(), removed_at: NOW };
    world.state.metadata.tombstones.insert(NodeId(9), removed);
    world.master(1).troubles = vec![trouble(9)];
    assert_eq!(world.bad(), []);
    world.master(1).troubles.push(trouble(2));
    assert_eq!(world.bad(), [("replication", "warning")]);
}

#[test]
fn who_was_refused_before_its_joining_was_known_is_not_taken_for_removed() {
    let refused = |node| trouble(TroubleKind::RefusedNode, node);
    let mut world = World::new();
    world.master(2).troubles = vec![refused(3)];
    assert_eq!(world.bad(), []);
    world.master(2).troubles.push(refused(9));
    assert_eq!(world.bad(), [("removed-nodes", "warning")]);
}

/// The first finding of a check that is not well.
#[track_caller]
fn worst<'a>(findings: &'a [Finding], id: &str) -> &'a Finding {
    findings.iter().find(|it| it.id == id && it.severity.is_bad()).unwrap()
}

/// What a node manager saw of m3's internal port, and how many seconds ago.
fn look_at_m3(world: &mut World, error: &str, seconds: u64) {
    let (said, age) = world.managers.get_mut(&NodeId(4)).unwrap();
    *age = Duration::from_secs(seconds);
    let internal = |it: &&mut Reach| it.node == NodeId(3) && it.port == "internal";
    said.checkup.reaches.iter_mut().find(internal).unwrap().error = error.to_owned();
}

/// A dead m3, which no master reaches.
fn without_m3() -> World {
    let mut world = World::new();
    world.silence(3);
    for id in 1..=2 {
        for reach in world.answer(id).checkup.reaches.iter_mut().filter(|it| it.node == NodeId(3)) {
            reach.error = "connection refused".to_owned();
        }
    }
    world
}

#[test]
fn a_look_from_before_a_masters_death_is_no_broken_link() {
    let silent = Duration::from_secs;
    for (silent_for, looked, is_link) in
        [(None, 3, false), (Some(2), 4, false), (Some(2), 0, false), (Some(60), 4, true)]
    {
        let mut world = without_m3();
        world.silent_for =
            silent_for.map(|seconds| (NodeId(3), silent(seconds))).into_iter().collect();
        look_at_m3(&mut world, "", looked);
        let mut expected = vec![("masters-answer", "problem")];
        expected.extend(is_link.then_some(("ports", "problem")));
        assert_eq!(world.bad(), expected, "silent for {silent_for:?} s, a look of {looked} s ago");
        if is_link {
            let seen = &worst(&world.findings(), "ports").seen.clone();
            assert_eq!(seen, "m3 is reached by w1 (as it saw 4 s ago), and not by m1");
        }
    }
    // Nobody knows when it looked that told it to a new leader: a look's time more is needed.
    let mut world = without_m3();
    world.silent_for.insert(NodeId(3), silent(20));
    look_at_m3(&mut world, "", 4);
    assert!(world.bad().contains(&("ports", "problem")));
    world.managers.get_mut(&NodeId(4)).unwrap().0.checkup.asked_at = Timestamp::default();
    assert_eq!(world.bad(), [("masters-answer", "problem")]);
    world.silent_for.insert(NodeId(3), silent(40));
    assert!(world.bad().contains(&("ports", "problem")));
    // A look of a node manager that has long fallen silent itself says nothing.
    world.silent_for.insert(NodeId(3), silent(600));
    look_at_m3(&mut world, "", 300);
    assert_eq!(world.bad(), [("masters-answer", "problem")]);
}

#[test]
fn a_look_from_while_a_master_was_away_is_no_closed_port() {
    let refused = "connection refused";
    let ports = |world: &World| {
        let findings = world.findings();
        let of_w1 = findings.iter().find(|it| it.id == "ports" && it.about == "w1");
        of_w1.cloned().unwrap()
    };
    // Its calls failed until two seconds ago; or it is known to have been started then.
    let mut by_calls = World::new();
    let failed = trouble(TroubleKind::Replication, 3);
    by_calls.master(2).troubles = vec![Trouble { last_ago_ms: 2000, ..failed }];
    let mut by_start = World::new();
    let m3 = by_start.state.metadata.nodes.get_mut(&NodeId(3)).unwrap();
    m3.started_at = Some(Timestamp(NOW.0 - 2000));
    for (world, because) in [
        (&mut by_calls, "calls of masters to m3 failed until 2 s ago"),
        (&mut by_start, "m3 began 2 s ago"),
    ] {
        look_at_m3(world, refused, 6);
        let found = ports(world);
        assert_eq!(found.severity, Severity::Unknown);
        assert_eq!(
            found.seen,
            format!(
                "w1 did not reach the internal port of m3 at m3:9901 when it looked, 6 s ago: connection refused; {because}"
            )
        );
        assert_eq!(found.fix, "ask again in 12 s, when w1 has looked again: quorate doctor");
        assert!(world.bad().iter().all(|(id, _)| *id != "ports"), "{:?}", world.bad());
    }
    // A firewall that is truly closed is told of with the next look.
    by_start.state.metadata.nodes.get_mut(&NodeId(3)).unwrap().started_at =
        Some(Timestamp(NOW.0 - 20_000));
    look_at_m3(&mut by_start, refused, 1);
    assert_eq!(ports(&by_start).severity, Severity::Problem);
    let mut closed = World::new();
    look_at_m3(&mut closed, refused, 14);
    let found = ports(&closed);
    assert_eq!(found.severity, Severity::Problem);
    assert!(found.seen.contains("at m3:9901, as it saw 14 s ago: connection"), "{}", found.seen);
    // Unless the node manager has long not looked.
    look_at_m3(&mut closed, refused, 300);
    assert_eq!(ports(&closed).severity, Severity::Unknown);
    assert!(ports(&closed).fix.contains("see whether w1 runs"), "{}", ports(&closed).fix);
}

#[test]
fn how_old_a_look_is_goes_by_spans_of_its_own_clock_and_is_told() {
    let mut world = World::new();
    let (said, told_ago) = world.managers.get_mut(&NodeId(4)).unwrap();
    // An hour behind; it looked nine seconds before it had a leader to tell.
    said.checkup.asked_at = Timestamp(NOW.0 - 3_600_000);
    said.checkup.answered_at = Timestamp(NOW.0 - 3_591_000);
    said.clock_ahead_ms = -3_600_000;
    *told_ago = Duration::from_secs(3);
    said.checkup.version = "0.0.9".to_owned();
    said.checkup.reads_feature_level = 0;
    let host = &mut said.checkup.host;
    host.folders[0].free_bytes = 100 << 20;
    host.folders[0].mode = 0o755;
    host.certificate_until = Some(NOW);
    host.open_files = Some(1024);
    host.core_bytes = Some(1);
    host.sync_us = vec![300_000];
    host.time_daemon = None;
    let findings = world.findings();
    let of_w1 = |it: &&Finding| it.about == "w1" && it.severity.is_bad();
    assert_eq!(findings.iter().filter(of_w1).count(), 8);
    let rest = |it: &&Finding| it.seen.contains("w1") && it.severity != Severity::Ok;
    for finding in findings.iter().filter(rest) {
        assert!(finding.seen.contains("12 s ago"), "{}: {}", finding.id, finding.seen);
    }
}

#[test]
fn who_was_written_off_is_told_to_keep_its_folder_and_nobody_stops_a_namesake() {
    let removed = |name: &str| Tombstone { name: NodeName::new(name).unwrap(), removed_at: NOW };
    let said = |world: &mut World, name: &str| {
        world.state.metadata.tombstones.insert(NodeId(9), removed(name));
        world.master(1).troubles = vec![trouble(TroubleKind::RefusedNode, 9)];
        let findings = world.findings();
        let finding = only(&findings, "removed-nodes");
        assert_eq!(finding.severity, Severity::Warning);
        (finding.seen.clone(), finding.fix.clone())
    };
    let starts =
        |(seen, _): &(String, String), words: &str| assert!(seen.starts_with(words), "{seen}");
    let mut world = World::new();
    let old = said(&mut world, "old");
    starts(&old, "the removed node old (n9) called m1 and was refused, 9 times");
    assert!(old.1.starts_with("stop it on its host;") && !old.1.contains("empty"), "{}", old.1);
    let namesake = said(&mut world, "m2");
    starts(&namesake, "the removed node n9, once called m2, called m1 and was refused");
    assert!(namesake.1.ends_with("the m2 of now (n2) is another node, which is to run on"));

    world.state.metadata.recovery = Some(Recovery {
        at: NOW,
        keeper: NodeId(1),
        written_off: vec![NodeId(9)],
        plan_sha256: String::new(),
    });
    let lost = said(&mut world, "old");
    starts(&lost, &format!("old (n9), written off in the recovery of {NOW}, called m1 and"));
    let twin = said(&mut world, "m2");
    starts(&twin, &format!("n9, once called m2, written off in the recovery of {NOW}, called m1"));
    for (_, fix) in [&lost, &twin] {
        assert!(fix.starts_with("nothing is to be stopped: it is told so and stops"), "{fix}");
        assert!(fix.contains("keep its data folder") && fix.contains("Q2129"), "{fix}");
        assert!(!fix.contains("empty"), "{fix}");
    }
    assert!(twin.1.ends_with("the m2 of now (n2) is another node, which is to run on"));
}

#[test]
fn a_check_says_one_thing_of_one_subject() {
    let once = |world: &World| {
        let findings = world.findings();
        let mut said = std::collections::BTreeSet::new();
        for it in
            findings.iter().filter(|it| matches!(it.severity, Severity::Ok | Severity::Unknown))
        {
            assert!(said.insert((it.id, &it.about)), "{} twice: {}", it.id, it.seen);
            let is_bad = |other: &Finding| other.id == it.id && other.severity.is_bad();
            let contradicts = it.severity == Severity::Ok && findings.iter().any(is_bad);
            assert!(!contradicts, "{} is well and not well", it.id);
        }
        findings
    };
    let mut world = World::new();
    once(&world);
    for id in 1..=3 {
        world.master(id).commits = None;
    }
    let findings = once(&world);
    let writes = only(&findings, "writes");
    assert_eq!(writes.severity, Severity::Ok);
    assert_eq!(
        writes.seen,
        "small writes are synced in time (4 hosts); too few commits were made to judge the logs' disks by them"
    );
    // With nothing to judge by it is unknown, once.
    for id in 1..=3 {
        world.answer(id).checkup.host.sync_us.clear();
    }
    world.managers.clear();
    assert_eq!(only(&once(&world), "writes").severity, Severity::Unknown);
    // The nodes' certificates are well, and the authority's is another subject.
    world.authority_until = None;
    let findings = once(&world);
    let of: Vec<(&str, &str)> = findings
        .iter()
        .filter(|it| it.id == "certificates")
        .map(|it| (it.severity.as_str(), it.about.as_str()))
        .collect();
    assert_eq!(of, [("unknown", "authority"), ("ok", "")]);
    world.authority_until = Some(NOW);
    assert_eq!(only(&once(&world), "certificates").severity, Severity::Problem);
}

#[test]
fn without_a_quorum_the_missing_are_named_and_recovery_is_the_last_resort() {
    let mut world = World::new();
    world.quorate = false;
    world.tolerance = None;
    world.silence(2);
    world.silence(3);
    let findings = world.findings();
    let quorum = only(&findings, "quorum");
    assert!(quorum.seen.contains("no answer from m2 at m2:9901, m3 at m3:9901"), "{}", quorum.seen);
    let place = |words: &str| quorum.fix.find(words).unwrap_or_else(|| panic!("{}", quorum.fix));
    assert!(place("quorate start") < place("quorate recover collect --out"));
}

/// An operation of two waits, of which the second has failed.
fn operation(request: OperationRequest, undo: Undo, status: OperationStatus) -> Operation {
    let step = |undo| Step {
        kind: StepKind::Await { condition: Condition::MastersWhole, sustained_ms: 0 },
        title: "Await that the masters are whole".to_owned(),
        why: String::new(),
        deadline_ms: 1000,
        undo,
    };
    let record = |status| StepRecord {
        status,
        started_at: Some(NOW),
        ended_at: Some(NOW),
        attempts: 1,
        generation: None,
        seen: String::new(),
    };
    Operation {
        id: OperationId::from_parts(1, 1),
        plan: Plan {
            request,
            steps: vec![step(undo), step(Undo::Nothing)],
            pins: Vec::new(),
            locks: Vec::new(),
        },
        status,
        records: vec![record(StepStatus::Finished), record(StepStatus::Failed)],
        requested_by: "user:ann".to_owned(),
        key: None,
        requested_at: NOW,
        ended_at: None,
        term: Term(1),
        transcript: Vec::new(),
    }
}

#[test]
fn a_stuck_operation_is_told_with_what_can_still_be_done() {
    let lead = || OperationRequest::MasterTransferLeader { to: None };
    let refusal = Refusal::new(codes::STEP_DEADLINE, "it took too long");
    let stuck = || OperationStatus::Stuck { refusal: refusal.clone(), aborting: false };
    let fix_of = |operation: Operation| {
        let mut world = World::new();
        world.state.metadata.operations.insert(operation.id, operation.into());
        only(&world.findings(), "operations").fix.clone()
    };
    let undone = fix_of(operation(lead(), Undo::Nothing, stuck()));
    assert!(undone.contains("operation resume") && undone.contains("operation abort"), "{undone}");
    assert!(!undone.contains("--leave-as-is"), "{undone}");
    let passed = fix_of(operation(lead(), Undo::Impossible, stuck()));
    assert!(passed.contains("--leave-as-is") && !passed.contains("take back"), "{passed}");
    assert!(!passed.contains("quorate reset"), "{passed}");
    let half = fix_of(operation(OperationRequest::Reset, Undo::Impossible, stuck()));
    assert!(half.ends_with("reset once more: quorate reset"), "{half}");
    let left = operation(OperationRequest::Reset, Undo::Impossible, OperationStatus::Aborted);
    assert_eq!(fix_of(left), "reset once more: quorate reset");
    assert_eq!(fix_of(operation(lead(), Undo::Nothing, OperationStatus::Aborted)), "");
}

#[test]
fn a_repair_takes_away_no_more_than_what_is_too_much() {
    let mut world = World::new();
    world.answer(1).checkup.host.folders[1].mode = 0o2777;
    let findings = world.findings();
    let finding = findings.iter().find(|it| it.id == "permissions").unwrap();
    let quorate_plan::doctor::Repair::SetMode { path, mode } = finding.repair.as_ref().unwrap();
    assert_eq!((path.as_str(), *mode), ("/quorate/configuration", 0o2750));
    assert!(finding.fix.contains("chmod 2750 /quorate/configuration"), "{}", finding.fix);
}
