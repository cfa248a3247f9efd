//! Whatever the members look like, no plan takes one away that the quorum needs.

use std::time::Duration;

use proptest::prelude::*;
use quorate_model::{
    Condition, DesireChange, InstanceName, MemberAction, MemberRole, Plan, Readiness, StepKind,
    has_quorum,
};

use super::world::World;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Seen {
    Healthy,
    Down,
    NotReady,
    CannotBeAsked,
    Silent,
    Learner,
    Deposed,
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        12 => Just(Seen::Healthy),
        1 => Just(Seen::Down),
        1 => Just(Seen::NotReady),
        1 => Just(Seen::CannotBeAsked),
        1 => Just(Seen::Silent),
        1 => Just(Seen::Learner),
        1 => Just(Seen::Deposed),
    ]
}

fn world_of(members: &[Seen], leader: u64) -> World {
    let mut world = World::voting(members.len() as u64, leader);
    for (number, seen) in (1..).zip(members) {
        let reason = || "so".to_owned();
        match seen {
            Seen::Healthy => {}
            Seen::Down => world.stop(number),
            Seen::NotReady => {
                world.edit(number, |one| one.readiness = Readiness::NotReady { reason: reason() });
            }
            Seen::CannotBeAsked => {
                world.edit(number, |one| one.readiness = Readiness::Unknown { reason: reason() });
            }
            Seen::Silent => world.silence(number, Duration::from_secs(30)),
            Seen::Learner => world.edit_member(number, |one| one.role = MemberRole::Learner),
            Seen::Deposed => world.edit_member(number, |one| {
                one.role = MemberRole::Leader;
                one.term = 2;
            }),
        }
    }
    world
}

/// Whether a member counts for the quorum by what is known of it.
fn counts(seen: Seen) -> bool {
    matches!(seen, Seen::Healthy | Seen::Deposed)
}

fn restarted(plan: &Plan) -> Vec<&InstanceName> {
    plan.steps
        .iter()
        .filter_map(|step| match &step.kind {
            StepKind::Desire { change: DesireChange::Restart { instance } } => Some(instance),
            _ => None,
        })
        .collect()
}

/// Each restart stands between a `Require` of the quorum without that member and an `Await` of
/// that member, so that never two are away.
fn check_one_at_a_time(plan: &Plan) -> Result<(), TestCaseError> {
    let mut required = None;
    let mut follows = None;
    let mut away: Option<&InstanceName> = None;
    for step in &plan.steps {
        match &step.kind {
            StepKind::Require { condition: Condition::QuorumWithout { instance, .. } } => {
                prop_assert_eq!(away, None, "a second one while another is away");
                required = Some(instance);
            }
            StepKind::Require { condition: Condition::NotLeading { instance, .. } } => {
                follows = Some(instance);
            }
            StepKind::Desire { change: DesireChange::Restart { instance } } => {
                prop_assert_eq!(required.take(), Some(instance));
                prop_assert_eq!(follows.take(), Some(instance), "it may lead");
                away = Some(instance);
            }
            StepKind::Await { condition: Condition::CaughtUp { instance, .. }, sustained_ms } => {
                prop_assert_eq!(away.take(), Some(instance));
                prop_assert!(*sustained_ms > 0);
            }
            StepKind::Member {
                via,
                action: MemberAction::TransferLeadership { away_from, to },
                ..
            } => {
                prop_assert_eq!(required, Some(away_from));
                prop_assert_eq!(via, away_from);
                prop_assert_ne!(away_from, to);
            }
            _ => {}
        }
    }
    prop_assert_eq!(away, None);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_planned_restart_never_takes_a_member_that_the_quorum_needs(
        members in prop::collection::vec(seen(), 1..8),
        leader in any::<prop::sample::Index>(),
    ) {
        let leader = leader.index(members.len());
        let world = world_of(&members, leader as u64 + 1);
        for (position, _) in members.iter().enumerate() {
            let remaining = members
                .iter()
                .enumerate()
                .filter(|(other, seen)| *other != position && counts(**seen))
                .count();
            let condition = Condition::QuorumWithout {
                component: world.name.clone(),
                instance: world.instance(position as u64 + 1),
            };
            prop_assert_eq!(
                world.judge(&condition).is_ok(),
                has_quorum(remaining, members.len()),
                "without member {}", position + 1
            );
        }
        match world.restart() {
            Ok(plan) => {
                prop_assert!(members.iter().all(|seen| counts(*seen) || *seen == Seen::Learner));
                prop_assert!(members.len() >= 3);
                let order = restarted(&plan);
                prop_assert_eq!(order.len(), members.len());
                if members[leader] == Seen::Healthy {
                    prop_assert_eq!(order.last().copied(), Some(&world.instance(leader as u64 + 1)));
                }
                check_one_at_a_time(&plan)?;
            }
            Err(refusals) => prop_assert!(!refusals.is_empty()),
        }
    }

    #[test]
    fn planning_the_same_twice_gives_the_same(
        members in prop::collection::vec(seen(), 1..6),
        accept in any::<bool>(),
    ) {
        let world = world_of(&members, 1);
        let plan = || if accept { world.restart_interrupting() } else { world.restart() };
        prop_assert_eq!(plan(), plan());
    }
}
