//! The audit trail: complete, chained, and without secrets.

use std::sync::Arc;

use quorate_model::{Code, LogIndex, Timestamp, codes};
use quorate_state::{AuditEntry, AuditTrail, Command};

use super::{
    samples::{self, key},
    world::World,
};

#[test]
fn changes_and_refused_attempts_are_recorded_with_who_and_what() {
    let mut world = World::empty();
    let put = Command::PutSetting { key: key("a/b"), value: Arc::from("\"secret\""), expect: None };
    world.propose(None, "user:eve", put).unwrap();
    let delete = Command::DeleteSetting { key: key("c"), expect: None };
    world.propose(None, "user:bob", delete).unwrap_err();
    let lines: Vec<_> = world
        .state
        .audit
        .entries
        .iter()
        .map(|one| (one.index, &*one.principal, &*one.action, &*one.target, one.refused))
        .collect();
    assert_eq!(
        lines,
        [
            (LogIndex(1), "user:eve", "setting.put", "a/b", None),
            (LogIndex(2), "user:bob", "setting.delete", "c", Some(codes::NOT_FOUND)),
        ]
    );
}

#[test]
fn no_secret_is_among_the_words_of_the_trail() {
    let mut actions = std::collections::BTreeSet::new();
    for command in samples::commands() {
        let (action, target) = command.audit_words();
        assert!(actions.insert(action), "{action} says two things");
        for secret in ["hash", "5ec2e7", "abc", "def", "BEGIN"] {
            assert!(!target.contains(secret), "{action}: {target}");
        }
    }
}

#[test]
fn the_chain_holds_and_breaks_where_anything_is_changed() {
    let world = World::with_orders();
    let trail = &world.state.audit;
    assert_eq!(trail.verify(), Ok(()));
    type Change = fn(&mut AuditEntry);
    let changes: [(&str, Change); 7] = [
        ("index", |one| one.index = LogIndex(one.index.0 + 100)),
        ("at", |one| one.at = Timestamp(one.at.0 + 1)),
        ("principal", |one| one.principal = format!("{}x", one.principal).into()),
        ("action", |one| one.action = format!("{}x", one.action).into()),
        ("target", |one| one.target = format!("{}x", one.target).into()),
        ("refused", |one| one.refused = Some(Code(1))),
        ("hash", |one| one.hash[31] ^= 1),
    ];
    for position in [0, 1, trail.entries.len() - 1] {
        for (what, change) in changes {
            let mut forged = trail.clone();
            change(forged.entries.get_mut(position).unwrap());
            assert_eq!(
                forged.verify().map_err(|broken| broken.index),
                Err(forged.entries[position].index),
                "{what} of entry {position}"
            );
        }
    }
}

#[test]
fn text_moved_between_fields_an_entry_removed_and_another_base_break_the_chain() {
    let world = World::with_orders();
    let mut moved = world.state.audit.clone();
    let entry = moved.entries.get_mut(1).unwrap();
    let (first, rest) = entry.target.split_at(1);
    (entry.action, entry.target) = (format!("{}{first}", entry.action).into(), rest.into());
    let mut removed = world.state.audit.clone();
    removed.entries.remove(2);
    let mut swapped = world.state.audit.clone();
    swapped.entries.swap(1, 2);
    let mut rebased = world.state.audit.clone();
    rebased.base[0] ^= 1;
    for (what, trail) in
        [("moved", moved), ("removed", removed), ("swapped", swapped), ("rebased", rebased)]
    {
        assert!(trail.verify().is_err(), "{what}");
    }
}

#[test]
fn the_trail_is_bounded_and_still_a_chain() {
    let mut world = World::empty();
    let put = Command::PutSetting { key: key("a"), value: Arc::from("1"), expect: None };
    for _ in 0..10_010 {
        world.apply(put.clone()).unwrap();
    }
    assert_eq!(world.state.audit.entries.len(), 10_000);
    assert_ne!(world.state.audit.base, [0; 32]);
    assert_eq!(world.state.audit.verify(), Ok(()));
    assert_eq!(AuditTrail::default().verify(), Ok(()));
}
