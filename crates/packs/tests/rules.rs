//! What the packs refuse, in which words, and when a member has caught up.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use quorate_model::{
    ComponentSpec, Generation, InstanceObservation, MemberObservation, MemberRole, PackName,
    ProcessState, Readiness, Timestamp, codes,
};
use quorate_pack::{PackRules, QuorumKind};
use quorate_packs::catalog;
use serde_json::{Value, json};

fn with_rules<T>(pack: &str, ask: impl FnOnce(&dyn PackRules) -> T) -> T {
    ask(catalog().get(&PackName::new(pack).unwrap()).unwrap())
}

/// A component whose instance `x-1` is on node n1, and so on, with these settings.
fn spec(pack: &str, settings: &Value, instances: &[Value]) -> ComponentSpec {
    let instances: Vec<Value> = (1..)
        .zip(instances)
        .map(|(number, settings)| {
            json!({"name": format!("x-{number}"), "node": number, "settings": settings})
        })
        .collect();
    serde_json::from_value(json!({
        "name": "x", "pack": pack, "instances": instances, "settings": settings,
    }))
    .unwrap()
}

/// Every refusal as one text each: message, cause, hint.
fn refusals(spec: &ComponentSpec) -> Vec<String> {
    let result = with_rules(spec.pack.as_str(), |rules| rules.validate(spec));
    let refusals = result.err().unwrap_or_default();
    assert!(refusals.iter().all(|refusal| refusal.code == codes::SPECIFICATION_INVALID));
    refusals
        .into_iter()
        .map(|refusal| {
            let parts = [Some(refusal.message), refusal.cause, refusal.hint];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" | ")
        })
        .collect()
}

#[test]
fn an_etcd_cluster_has_one_three_or_five_members() {
    for members in [1, 3, 5] {
        assert_eq!(refusals(&spec("etcd", &json!({}), &vec![json!({}); members])), [""; 0]);
    }
    let hint = "name 1, 3 or 5 instances, each on a node of its own where that is possible";
    let table = [
        (0, "without a member there is nothing to run"),
        (
            2,
            "2 members survive 0 failures, no more than 1 would, and are one more host that can fail",
        ),
        (
            4,
            "4 members survive 1 failures, no more than 3 would, and are one more host that can fail",
        ),
        (7, "every write waits for a majority, so that more than 5 members only slow it"),
    ];
    for (members, cause) in table {
        assert_eq!(
            refusals(&spec("etcd", &json!({}), &vec![json!({}); members])),
            [format!("etcd cluster `x` cannot have {members} members | {cause} | {hint}")]
        );
    }
}

#[test]
fn etcd_settings_are_refused_in_words() {
    let table = [
        (
            json!({"client_port": 0}),
            "setting `client_port` of component `x` is refused | it is 0 | it must be a TCP port from 1 to 65535",
        ),
        (
            json!({"peer_port": "2380"}),
            "setting `peer_port` of component `x` is refused | it is \"2380\" | it must be a TCP port from 1 to 65535",
        ),
        (
            json!({"snapshot_count": 0}),
            "setting `snapshot_count` of component `x` is refused | it is 0 | it must be a whole number from 1 to 100000000",
        ),
        (
            json!({"quota_backend_bytes": 1}),
            "setting `quota_backend_bytes` of component `x` is refused | it is 1 | it must be a whole number from 1048576 to 1099511627776 bytes",
        ),
        (
            json!({"program": ""}),
            "setting `program` of component `x` is refused | it is \"\" | it must be a text that is not empty",
        ),
        (
            json!({"election_timeout_ms": 300}),
            "setting `election_timeout_ms` of component `x` is refused | an election after 300 ms would follow fewer than 5 missed heartbeats of 100 ms | set `election_timeout_ms` to 500 or more, or `heartbeat_interval_ms` lower",
        ),
        (
            json!({"heartbeat_interval_ms": 500}),
            "setting `heartbeat_interval_ms` of component `x` is refused | an election after 1000 ms would follow fewer than 5 missed heartbeats of 500 ms | set `election_timeout_ms` to 2500 or more, or `heartbeat_interval_ms` lower",
        ),
        (
            json!({"port": 1}),
            "pack `etcd` has no setting `port`, which component `x` has | there are client_port, peer_port, snapshot_count, heartbeat_interval_ms, election_timeout_ms, quota_backend_bytes, program",
        ),
    ];
    for (settings, expected) in table {
        // A component's setting is told once, however many members read it.
        let spec = spec("etcd", &settings, &[json!({}), json!({}), json!({})]);
        assert_eq!(refusals(&spec), [expected]);
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let spec = spec(
        "etcd",
        &json!({"colour": "red"}),
        &[json!({"client_port": 70_000}), json!({"peer_port": -1})],
    );
    let told = refusals(&spec);
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(
        told[2].starts_with("setting `client_port` of instance `x-1` is refused | it is 70000")
    );
}

#[test]
fn two_members_on_one_node_do_not_share_a_port() {
    let mut spec = spec("etcd", &json!({}), &[json!({}), json!({}), json!({})]);
    spec.instances[2].node = spec.instances[0].node;
    assert_eq!(
        refusals(&spec),
        [
            "instances `x-1` and `x-3` would share port 2379 on node n1 | give instance `x-3` another `client_port`",
            "instances `x-1` and `x-3` would share port 2380 on node n1 | give instance `x-3` another `peer_port`",
        ]
    );
    spec.instances[2].settings.insert("client_port".to_owned(), json!(12379));
    spec.instances[2].settings.insert("peer_port".to_owned(), json!(12380));
    assert_eq!(refusals(&spec), [""; 0]);
    spec.instances[2].settings.insert("peer_port".to_owned(), json!(12379));
    assert_eq!(
        refusals(&spec),
        [
            "settings `client_port` and `peer_port` of instance `x-3` would share port 12379 on node n1 | give instance `x-3` another `peer_port`"
        ]
    );
}

#[test]
fn process_settings_are_refused_in_words() {
    let table = [
        (json!({}), "setting `command` of component `x` is refused | it is required and absent | "),
        (
            json!({"command": "sleep 60"}),
            "it is \"sleep 60\" | it must be a list of texts, the first one the program",
        ),
        (
            json!({"command": []}),
            "it is [] | it must be a list of texts, the first one the program",
        ),
        (json!({"command": ["a", 1]}), "it is [\"a\",1] | it must be a list of texts"),
        (
            json!({"command": ["a", "{host}"]}),
            "there is no placeholder `{host}`; there are {instance}, {component}, {address}, {port}, {folder}, {data}; write `{{` for the character itself",
        ),
        (json!({"command": ["a", "{port}"]}), "it uses {port}, and no `port` is set | set `port`"),
        (
            json!({"command": ["a"], "env": {"A": 1}}),
            "it is {\"A\":1} | it must be an object whose values are texts",
        ),
        (json!({"command": ["a"], "env": {"A=B": "x"}}), "`A=B` cannot be the name of a variable"),
        (
            json!({"command": ["a"], "working_dir": "tmp"}),
            "`tmp` is not absolute | write a path that begins with `/` or with {folder}",
        ),
        (json!({"command": ["a"], "readiness": "icmp://x"}), "there is no probe for `icmp`"),
        (
            json!({"command": ["a"], "readiness": "http://{address}:{port}/"}),
            "it uses {port}, and no `port` is set",
        ),
        (
            json!({"command": ["a"], "readiness": {"exec": []}}),
            "it is {\"exec\":[]} | it must be \"http://host:port/path\", \"tcp://host:port\" or {\"exec\": [\"program\", \"argument\"]}",
        ),
        (
            json!({"command": ["a"], "readiness": {"exec": ["a"], "x": 1}}),
            "it must be \"http://host:port/path\"",
        ),
        (
            json!({"command": ["a"], "readiness_timeout_ms": 60_000}),
            "it must be a whole number from 1 to 9000 milliseconds",
        ),
        (
            json!({"command": ["a"], "stop_signal": "KILL"}),
            "it is \"KILL\" | it must be \"TERM\", \"INT\" or \"QUIT\"",
        ),
        (
            json!({"command": ["a"], "stop_grace_ms": "10s"}),
            "it must be a whole number from 0 to 3600000 milliseconds",
        ),
        (
            json!({"command": ["a"], "restart": "always"}),
            "pack `process` has no setting `restart`, which component `x` has | there are command, env, working_dir, port, readiness, readiness_timeout_ms, stop_signal, stop_grace_ms",
        ),
    ];
    for (settings, words) in table {
        let told = refusals(&spec("process", &settings, &[json!({}), json!({})]));
        assert!(told.len() == 1 && told[0].contains(words), "{settings}: {told:#?}");
    }
    assert_eq!(
        refusals(&spec("process", &json!({"command": ["a"]}), &[])),
        ["component `x` has no instance | name at least one instance and the node it runs on"]
    );
}

#[test]
fn an_instances_setting_goes_before_its_components() {
    let mut spec = spec("process", &json!({"port": 80}), &[json!({"command": ["a"]}), json!({})]);
    assert_eq!(
        refusals(&spec),
        [
            "setting `command` of component `x` is refused | it is required and absent | set it to the program and its arguments, such as [\"sleep\", \"60\"]"
        ]
    );
    spec.settings.insert("command".to_owned(), json!(["b"]));
    assert_eq!(refusals(&spec), [""; 0]);
    spec.instances[1].node = spec.instances[0].node;
    assert_eq!(
        refusals(&spec),
        [
            "instances `x-1` and `x-2` would share port 80 on node n1 | give instance `x-2` another `port`"
        ]
    );
}

fn observed(
    name: &str,
    readiness: Readiness,
    member: Option<MemberObservation>,
) -> InstanceObservation {
    serde_json::from_value(json!({
        "component": "x", "instance": name, "generation": Generation(1),
        "process": ProcessState::Absent, "readiness": readiness, "member": member,
        "at": Timestamp(0),
    }))
    .unwrap()
}

fn member(
    role: MemberRole,
    term: u64,
    committed_index: u64,
    applied_index: u64,
) -> MemberObservation {
    MemberObservation {
        member_id: "a1".to_owned(),
        role,
        leader_id: None,
        term,
        committed_index,
        applied_index,
        version: "3.4.23".to_owned(),
        voters: 3,
    }
}

#[test]
fn an_etcd_member_has_caught_up_when_it_applied_what_the_leader_committed() {
    use MemberRole::{Follower, Leader, Learner};
    let table = [
        ((Follower, 7, 3000, 3000), Ok(())),
        ((Follower, 7, 3000, 2999), Ok(())),
        ((Follower, 7, 3005, 3005), Ok(())),
        ((Leader, 7, 3000, 3000), Ok(())),
        ((Follower, 7, 3000, 2998), Err("applied index 2998 of 3000 at the leader `x-1`")),
        // It may hold newer entries of a term that nobody follows.
        ((Follower, 6, 3000, 3000), Err("it is at term 6, and the leader `x-1` at term 7")),
        ((Learner, 7, 3000, 3000), Err("it is a learner: it has no vote yet")),
    ];
    let leader = observed("x-1", Readiness::Ready, Some(member(Leader, 7, 3000, 3000)));
    for ((role, term, committed, applied), expected) in table {
        let own = observed("x-2", Readiness::Ready, Some(member(role, term, committed, applied)));
        let answer = with_rules("etcd", |rules| rules.caught_up(&own, Some(&leader)));
        assert_eq!(answer, expected.map_err(str::to_owned));
    }
    let own = observed("x-2", Readiness::Ready, Some(member(Follower, 7, 3000, 3000)));
    let silent = observed("x-2", Readiness::Ready, None);
    for (own, leader, words) in [
        (&own, None, "no member is seen to lead"),
        (&own, Some(&silent), "no member is seen to lead"),
        (&own, Some(&own), "no member is seen to lead"),
        (&silent, Some(&leader), "`x-2` does not say where it stands"),
    ] {
        let answer = with_rules("etcd", |rules| rules.caught_up(own, leader));
        assert_eq!(answer.unwrap_err(), words);
    }
}

#[test]
fn a_process_has_caught_up_when_it_is_ready() {
    let down = Readiness::NotReady { reason: "status 503".to_owned() };
    with_rules("process", |rules| {
        assert_eq!(rules.caught_up(&observed("x-1", Readiness::Ready, None), None), Ok(()));
        assert_eq!(
            rules.caught_up(&observed("x-1", down, None), None),
            Err("it is not ready: status 503".to_owned())
        );
    });
}

#[test]
fn the_packs_say_what_a_quorum_is_and_who_goes_last() {
    let facts = ["etcd", "process"]
        .map(|pack| with_rules(pack, |rules| (rules.quorum(), rules.leader_goes_last())));
    assert_eq!(facts, [(QuorumKind::Majority, true), (QuorumKind::AnyOne, false)]);
}
