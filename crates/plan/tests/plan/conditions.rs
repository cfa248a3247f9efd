//! When a condition holds, as tables of what was seen.

use std::time::Duration;

use quorate_model::{
    Code, Condition, ExitStatus, Generation, MemberRole, NodeId, ProcessState, Readiness, Refusal,
    RunState, codes,
};
use quorate_plan::FRESH_FOR;

use super::world::{NOW, World, component};

/// A change to the world, with its name, and what is then said: nothing when it holds.
type Row = (&'static str, fn(&mut World), Option<(Code, &'static str)>);

fn judge_rows(condition: &Condition, healthy: &str, rows: &[Row]) {
    assert_eq!(World::voting(3, 1).judge(condition).as_deref(), Ok(healthy));
    for (what, change, expected) in rows {
        let mut world = World::voting(3, 1);
        change(&mut world);
        let judged = world.judge(condition);
        match expected {
            None => assert!(judged.is_ok(), "{what}: {judged:?}"),
            Some((code, words)) => {
                let refusal = judged.expect_err(what);
                assert_eq!(refusal.code, *code, "{what}: {refusal}");
                let said = format!("{}: {}", refusal.message, refusal.cause.unwrap_or_default());
                assert!(said.contains(words), "{what}: {said}");
            }
        }
    }
}

fn running(start_generation: u64) -> ProcessState {
    ProcessState::Running {
        pid: 7,
        started_at: NOW,
        start_generation: Generation(start_generation),
    }
}

#[test]
fn a_member_has_caught_up_when_it_obeyed_runs_anew_serves_and_is_level() {
    let world = World::voting(3, 1);
    let condition =
        Condition::CaughtUp { component: world.name.clone(), instance: world.instance(2) };
    let rows: [Row; 13] = [
        ("a newer generation", |world| world.edit(2, |seen| seen.generation = Generation(6)), None),
        (
            "an order not yet obeyed",
            |world| world.edit_record(2, |record| record.generation = Generation(6)),
            Some((codes::MEMBER_UNHEALTHY, "has not obeyed the newest order")),
        ),
        (
            "the process of before the restart",
            |world| world.edit_record(2, |record| record.start_generation = Generation(5)),
            Some((codes::MEMBER_UNHEALTHY, "still the one of before")),
        ),
        (
            "a process started for the order",
            |world| {
                world.edit_record(2, |record| record.start_generation = Generation(5));
                world.edit(2, |seen| seen.process = running(5));
            },
            None,
        ),
        (
            "an index behind the leader's",
            |world| world.edit_member(2, |member| member.applied_index = 98),
            Some((codes::MEMBER_UNHEALTHY, "applied index 98 of 100")),
        ),
        (
            "a member that says nothing",
            |world| world.edit(2, |seen| seen.member = None),
            Some((codes::MEMBER_UNHEALTHY, "says nothing")),
        ),
        (
            "no leader to be level with",
            |world| world.stop(1),
            Some((codes::MEMBER_UNHEALTHY, "no member is seen to lead")),
        ),
        (
            "a leader that is not ready",
            |world| {
                world.edit(1, |seen| {
                    seen.readiness = Readiness::NotReady { reason: "alarm".to_owned() };
                });
            },
            Some((codes::MEMBER_UNHEALTHY, "no member is seen to lead")),
        ),
        (
            "a process that ended",
            |world| world.stop(2),
            Some((codes::MEMBER_UNHEALTHY, "its process ended with signal 9")),
        ),
        (
            "a process that was never started",
            |world| world.edit(2, |seen| seen.process = ProcessState::Absent),
            Some((codes::MEMBER_UNHEALTHY, "never started")),
        ),
        (
            "a process that cannot be started",
            |world| {
                world.edit(2, |seen| {
                    let refusal = Refusal::new(codes::PROGRAM_MISSING, "no program `etcd`");
                    seen.process = ProcessState::Failed { refusal };
                });
            },
            Some((codes::MEMBER_UNHEALTHY, "cannot be started: no program `etcd`")),
        ),
        ("an observation at the edge of freshness", |world| world.silence(2, FRESH_FOR), None),
        (
            "an observation that is too old",
            |world| world.silence(2, FRESH_FOR + Duration::from_millis(1)),
            Some((codes::MEMBER_UNKNOWN, "last reported 5.0 s ago")),
        ),
    ];
    judge_rows(&condition, "`orders-2` is follower with applied index 100 in term 3", &rows);
}

#[test]
fn a_component_is_whole_when_all_have_caught_up_and_agree() {
    let condition = Condition::Whole { component: component("orders") };
    let rows: [Row; 8] = [
        (
            "a member that follows another leader",
            |world| world.edit_member(3, |member| member.leader_id = Some("id-2".to_owned())),
            Some((codes::MEMBER_UNHEALTHY, "`orders-3` follows another leader")),
        ),
        (
            "a member that follows nobody",
            |world| world.edit_member(3, |member| member.leader_id = None),
            Some((codes::MEMBER_UNHEALTHY, "`orders-3` follows another leader")),
        ),
        (
            "a member in an older term",
            |world| world.edit_member(3, |member| member.term = 2),
            Some((codes::MEMBER_UNHEALTHY, "`orders-3` is in term 2, the leader in term 3")),
        ),
        (
            "a member that counts other voters",
            |world| world.edit_member(2, |member| member.voters = 4),
            Some((codes::MEMBER_UNHEALTHY, "`orders-2` counts 4 voters, the specification 3")),
        ),
        (
            "two members that say they lead",
            |world| {
                world.edit_member(2, |member| {
                    member.role = MemberRole::Leader;
                    member.leader_id = Some("id-2".to_owned());
                    member.term = 4;
                });
            },
            Some((codes::MEMBER_UNHEALTHY, "`orders-1` follows another leader")),
        ),
        (
            "no leader",
            |world| world.edit_member(1, |member| member.role = MemberRole::Follower),
            Some((codes::MEMBER_UNHEALTHY, "no member is seen to lead")),
        ),
        (
            "a member that is down",
            |world| world.stop(3),
            Some((codes::MEMBER_UNHEALTHY, "member `orders-3`")),
        ),
        (
            "a member that is unknown",
            |world| {
                let name = world.instance(3);
                world.seen.instances.remove(&name);
            },
            Some((codes::MEMBER_UNKNOWN, "it was never reported to this leader")),
        ),
    ];
    judge_rows(&condition, "all 3 members are healthy and agree that `orders-1` leads", &rows);
    let web = Condition::Whole { component: component("web") };
    assert_eq!(World::serving(2).judge(&web).as_deref(), Ok("all 2 instances are ready"));
}

#[test]
fn a_member_does_not_lead_when_another_does_and_it_does_not_say_so_itself() {
    let not_leading = |number: u64| Condition::NotLeading {
        component: component("orders"),
        instance: World::voting(3, 1).instance(number),
    };
    assert_eq!(World::voting(3, 1).judge(&not_leading(2)).as_deref(), Ok("`orders-1` leads"));
    let leads = World::voting(3, 1).judge(&not_leading(1)).unwrap_err();
    assert_eq!(leads.message, "`orders-1` still leads `orders`");
    let mut world = World::voting(3, 1);
    world.edit_member(2, |member| {
        member.role = MemberRole::Leader;
        member.term = 4;
    });
    assert!(world.judge(&not_leading(2)).is_err(), "it leads in the newer term");
    assert!(world.judge(&not_leading(1)).is_err(), "it was deposed but does not know it yet");
    assert!(world.judge(&not_leading(3)).is_ok());
    world.stop(1);
    world.stop(2);
    assert_eq!(world.judge(&not_leading(3)).unwrap_err().code, codes::QUORUM_LOST);
}

#[test]
fn all_have_stopped_when_each_node_obeyed_and_no_process_runs() {
    fn stopped() -> World {
        let mut world = World::voting(3, 1);
        for number in 1..=3 {
            world.stop(number);
            world.edit_record(number, |record| {
                record.run = RunState::Stopped;
                record.generation = Generation(6);
            });
            world.edit(number, |seen| seen.generation = Generation(6));
        }
        world
    }
    let condition = Condition::AllStopped { component: component("orders") };
    assert_eq!(stopped().judge(&condition).as_deref(), Ok("all 3 processes have stopped"));
    let rows: [Row; 6] = [
        (
            "a process that runs still",
            |world| world.edit(2, |seen| seen.process = running(4)),
            Some((codes::MEMBER_UNHEALTHY, "its process still runs")),
        ),
        (
            "a process that ended by itself before the order came",
            |world| world.edit(2, |seen| seen.generation = Generation(5)),
            Some((codes::MEMBER_UNHEALTHY, "has not obeyed the order yet")),
        ),
        (
            "an instance that shall run",
            |world| world.edit_record(2, |record| record.run = RunState::Running),
            Some((codes::MEMBER_UNHEALTHY, "has not obeyed the order yet")),
        ),
        (
            "a node that is silent",
            |world| world.silence(2, Duration::from_secs(61)),
            Some((codes::MEMBER_UNHEALTHY, "last reported 1m01s ago")),
        ),
        (
            "a process that was never started",
            |world| world.edit(2, |seen| seen.process = ProcessState::Absent),
            None,
        ),
        (
            "a process that ended with an error",
            |world| {
                world.edit(2, |seen| {
                    seen.process = ProcessState::Exited { status: ExitStatus::Code(1), at: NOW };
                });
            },
            None,
        ),
    ];
    for (what, change, expected) in rows {
        let mut world = stopped();
        change(&mut world);
        let judged = world.judge(&condition);
        match expected {
            None => assert!(judged.is_ok(), "{what}: {judged:?}"),
            Some((code, words)) => {
                let refusal = judged.expect_err(what);
                assert_eq!(refusal.code, code, "{what}");
                assert!(refusal.to_string().contains(words), "{what}: {refusal}");
            }
        }
    }
}

#[test]
fn nodes_report_when_each_has_been_heard_of_lately() {
    let condition = Condition::NodesReporting { component: component("orders") };
    let rows: [Row; 3] = [
        (
            "a node that fell silent",
            |world| world.silence(2, Duration::from_secs(6)),
            Some((codes::NODE_SILENT, "the node manager of `db-2` does not report")),
        ),
        (
            "a node that was never heard of",
            |world| assert!(world.seen.nodes.remove(&NodeId(3)).is_some()),
            Some((codes::NODE_SILENT, "`db-3`")),
        ),
        (
            "another node's silence",
            |world| assert!(world.seen.nodes.remove(&NodeId(5)).is_some()),
            None,
        ),
    ];
    judge_rows(&condition, "every node that carries an instance reports", &rows);
}

#[test]
fn a_condition_on_an_unknown_component_does_not_hold() {
    let condition = Condition::Whole { component: component("nothing") };
    let refusal = World::bare().judge(&condition).unwrap_err();
    assert_eq!(refusal.code, codes::NOT_FOUND);
}
