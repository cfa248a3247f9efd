//! What the observations of a component amount to.

use std::time::Duration;

use quorate_model::Readiness;
use quorate_plan::{
    Facts,
    health::{self, Verdict},
};

use super::world::World;

/// One instance, as seen: healthy, down, silent, or not to be asked.
fn apply(world: &mut World, pattern: &str) {
    for (number, letter) in (1..).zip(pattern.chars()) {
        match letter {
            'h' => {}
            'd' => world.stop(number),
            's' => world.silence(number, Duration::from_secs(60)),
            'u' => world.edit(number, |seen| {
                seen.readiness = Readiness::Unknown { reason: "no answer".to_owned() };
            }),
            other => panic!("there is no `{other}`"),
        }
    }
}

fn judged(mut world: World, pattern: &str) -> health::ComponentHealth {
    apply(&mut world, pattern);
    let catalog = quorate_pack::fakes::catalog();
    let facts = Facts::new(&world.state, &world.seen, &catalog);
    health::component(&world.name, &facts).unwrap()
}

#[test]
fn members_that_vote_are_up_degraded_down_or_unknown_by_their_quorum() {
    let table = [
        ("hhh", Verdict::Up, Some(1)),
        ("hhd", Verdict::Degraded, Some(0)),
        ("hhs", Verdict::Degraded, Some(0)),
        ("hdd", Verdict::Down, None),
        ("hds", Verdict::Unknown, None),
        ("hdu", Verdict::Unknown, None),
        ("hss", Verdict::Unknown, None),
        ("uuu", Verdict::Unknown, None),
        ("dds", Verdict::Down, None),
        ("ddu", Verdict::Down, None),
        ("ddd", Verdict::Down, None),
        ("hhhhh", Verdict::Up, Some(2)),
        ("hhhdd", Verdict::Degraded, Some(0)),
        ("hhddd", Verdict::Down, None),
        ("hhdds", Verdict::Unknown, None),
        ("hhhh", Verdict::Up, Some(1)),
        ("hhdd", Verdict::Down, None),
        ("h", Verdict::Up, Some(0)),
        ("d", Verdict::Down, None),
    ];
    for (pattern, verdict, tolerance) in table {
        let health = judged(World::voting(pattern.len() as u64, 1), pattern);
        assert_eq!((health.verdict, health.failure_tolerance), (verdict, tolerance), "{pattern}");
    }
}

#[test]
fn independent_instances_are_up_while_one_of_them_is() {
    let table = [
        ("hh", Verdict::Up, Some(1)),
        ("hd", Verdict::Degraded, Some(0)),
        ("dd", Verdict::Down, None),
        ("ds", Verdict::Unknown, None),
        ("hdd", Verdict::Degraded, Some(0)),
        ("h", Verdict::Up, Some(0)),
    ];
    for (pattern, verdict, tolerance) in table {
        let health = judged(World::serving(pattern.len() as u64), pattern);
        assert_eq!((health.verdict, health.failure_tolerance), (verdict, tolerance), "{pattern}");
    }
}

#[test]
fn a_verdict_says_why() {
    assert_eq!(judged(World::voting(3, 1), "hhh").reason, "3 of 3 healthy");
    assert_eq!(
        judged(World::voting(3, 1), "hhd").reason,
        "2 of 3 healthy, 2 needed; member `orders-3` of `orders` is not healthy: its process ended \
         with signal 9"
    );
}
