//! Request ids: a retry is answered, not applied again.

use std::{sync::Arc, time::Duration};

use quorate_model::{LogIndex, RequestId, Timestamp, codes};
use quorate_state::{Applied, Command, Proposal};

use super::{
    samples::key,
    world::{START, World, refused},
};

fn put(name: &str, value: &str) -> Command {
    Command::PutSetting { key: key(name), value: Arc::from(value), expect: None }
}

#[test]
fn a_repeated_request_is_applied_once_and_answered_alike() {
    let mut world = World::empty();
    let first = world.apply_with_key("k", put("a", "1"));
    world.apply(put("a", "2")).unwrap();
    let entries = world.state.audit.entries.len();
    assert_eq!(world.apply_with_key("k", put("a", "1")), first);
    assert_eq!(&*world.state.metadata.settings[&key("a")].value, "2");
    assert_eq!(world.state.audit.entries.len(), entries, "a retry is no new change");
}

#[test]
fn a_repeated_refusal_is_answered_alike_even_when_it_would_be_allowed_now() {
    let mut world = World::empty();
    let delete = Command::DeleteSetting { key: key("a"), expect: None };
    let first = world.apply_with_key("k", delete.clone());
    assert_eq!(refused(first.clone()), codes::NOT_FOUND);
    world.apply(put("a", "1")).unwrap();
    assert_eq!(world.apply_with_key("k", delete), first);
    assert!(world.state.metadata.settings.contains_key(&key("a")));
}

#[test]
fn the_same_key_with_another_request_is_refused_and_audited() {
    let mut world = World::empty();
    world.apply_with_key("k", put("a", "1")).unwrap();
    assert_eq!(refused(world.apply_with_key("k", put("a", "2"))), codes::REQUEST_MALFORMED);
    let last = world.state.audit.entries.last().unwrap();
    assert_eq!(last.refused, Some(codes::REQUEST_MALFORMED));
    let first = world.apply_with_key("k", put("a", "1"));
    assert!(matches!(first, Ok(Applied::Revision(_))), "the first answer is still known");
}

#[test]
fn what_is_a_repeat_is_told_by_what_the_proposer_encoded_and_not_by_the_binary_that_applies() {
    let proposal = |value: &str, at: u64| Proposal {
        request_id: Some(RequestId::new("k").unwrap()),
        at: Timestamp(at),
        principal: "user:eve".to_owned(),
        command: put("a", value),
        digest: None,
        allowed_after: None,
    };
    let first = proposal("1", 1).with_digest();
    assert_eq!(proposal("1", 2).with_digest().digest, first.digest);
    assert_ne!(proposal("2", 1).with_digest().digest, first.digest);
    assert_eq!(Proposal { request_id: None, ..proposal("1", 1) }.with_digest().digest, None);
    let read = Proposal::decode(&first.encode().unwrap()).unwrap();
    assert_eq!(read, first);
    // A newer binary that encodes the command with a field more, and so with another digest.
    let newer = Proposal { digest: proposal("more", 1).with_digest().digest, ..proposal("1", 1) };
    let mut world = World::empty();
    let applied = world.state.apply(LogIndex(1), &newer);
    world.apply(put("a", "3")).unwrap();
    assert_eq!(world.state.apply(LogIndex(9), &newer), applied, "its repeat is one");
    assert_eq!(&*world.state.metadata.settings[&key("a")].value, "3");
}

#[test]
fn a_key_belongs_to_its_principal() {
    let mut world = World::empty();
    world.propose(Some("k"), "user:eve", put("a", "1")).unwrap();
    world.propose(Some("k"), "user:bob", put("a", "2")).unwrap();
    assert_eq!(&*world.state.metadata.settings[&key("a")].value, "2");
}

#[test]
fn no_clock_makes_the_newest_requests_forgotten() {
    let mut world = World::empty();
    world.apply_with_key("k", put("a", "1")).unwrap();
    // One master's clock is a year ahead, and it proposes a lot.
    for number in 0..1000 {
        world.at = START.plus(Duration::from_secs(365 * 24 * 3600));
        world.apply_with_key(&format!("other-{number}"), put("a", "2")).unwrap();
    }
    world.apply_with_key("k", put("a", "1")).unwrap();
    assert_eq!(&*world.state.metadata.settings[&key("a")].value, "2");
}

#[test]
fn of_older_requests_those_of_the_last_ten_minutes_are_remembered() {
    for (seconds, applied_again) in [(9 * 60, false), (11 * 60, true)] {
        let mut world = World::empty();
        world.apply_with_key("k", put("a", "1")).unwrap();
        for number in 0..20_000 {
            world.at = START.plus(Duration::from_secs(seconds));
            let proposal = Proposal {
                request_id: Some(RequestId::new(format!("other-{number}")).unwrap()),
                at: world.at,
                principal: "user:bob".to_owned(),
                command: put("a", "2"),
                digest: None,
                allowed_after: None,
            };
            world.index += 1;
            world.state.apply(LogIndex(world.index), &proposal).unwrap();
        }
        world.apply_with_key("k", put("a", "1")).unwrap();
        let value = &*world.state.metadata.settings[&key("a")].value;
        assert_eq!(value == "1", applied_again, "{seconds}");
    }
}

#[test]
fn moments_at_the_end_of_time_do_not_panic() {
    let mut world = World::cluster();
    world.at = Timestamp(u64::MAX - 500);
    for number in 0..3 {
        world.apply_with_key(&format!("k{number}"), put("a", "1")).unwrap();
    }
}
