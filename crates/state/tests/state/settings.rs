//! The settings space.

use std::sync::Arc;

use quorate_model::{Revision, codes};
use quorate_state::{Applied, Command};

use super::{
    samples::key,
    world::{World, refused},
};

fn put(name: &str, value: &str, expect: Option<u64>) -> Command {
    Command::PutSetting { key: key(name), value: Arc::from(value), expect: expect.map(Revision) }
}

fn delete(name: &str, expect: Option<u64>) -> Command {
    Command::DeleteSetting { key: key(name), expect: expect.map(Revision) }
}

#[test]
fn a_write_is_conditional_on_the_revision() {
    // What the key's revision is (0: it is missing), what is expected, whether it is written.
    let table = [
        (0, None, true),
        (0, Some(0), true),
        (0, Some(1), false),
        (1, None, true),
        (1, Some(1), true),
        (1, Some(0), false),
        (1, Some(2), false),
    ];
    for (current, expect, allowed) in table {
        let mut world = World::empty();
        if current > 0 {
            assert_eq!(world.apply(put("a", "1", None)), Ok(Applied::Revision(Revision(current))));
        }
        let revision = Revision(world.index + 1);
        let outcome = world.apply(put("a", "2", expect));
        if allowed {
            assert_eq!(outcome, Ok(Applied::Revision(revision)), "{current} {expect:?}");
            assert_eq!(&*world.state.metadata.settings[&key("a")].value, "2");
        } else {
            assert_eq!(refused(outcome), codes::REVISION_MISMATCH, "{current} {expect:?}");
        }
    }
}

#[test]
fn a_delete_is_conditional_on_the_revision() {
    let mut world = World::empty();
    world.apply(put("a", "1", None)).unwrap();
    assert_eq!(refused(world.apply(delete("a", Some(7)))), codes::REVISION_MISMATCH);
    assert_eq!(world.apply(delete("a", Some(1))), Ok(Applied::Revision(Revision(1))));
    assert_eq!(refused(world.apply(delete("a", None))), codes::NOT_FOUND);
    assert_eq!(refused(world.apply(delete("a", Some(0)))), codes::NOT_FOUND);
}

#[test]
fn a_key_that_was_deleted_never_gets_an_old_revision_again() {
    let mut world = World::empty();
    world.apply(put("a", "1", None)).unwrap();
    world.apply(delete("a", None)).unwrap();
    assert_eq!(world.apply(put("a", "1", Some(0))), Ok(Applied::Revision(Revision(3))));
    assert_eq!(refused(world.apply(put("a", "2", Some(1)))), codes::REVISION_MISMATCH);
}
