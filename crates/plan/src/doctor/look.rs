//! How old a node manager's look is: it looks now and then, and tells when it has a leader to tell.

use std::time::Duration;

use quorate_model::{NodeCheckup, Timestamp};

use super::network::ago;

/// A node manager has looked anew after so long: every 15 s, and a look takes a few.
const LOOKS_WITHIN: Duration = Duration::from_secs(18);

/// When a node manager looked, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// It looked no later than so long ago.
    pub(super) at_least: Duration,
    /// It looked no earlier than so long ago.
    pub(super) at_most: Duration,
}

impl Look {
    /// By what it said, and how long ago it said so. Only spans by its own clock count, which may
    /// be wrong. One that does not say when it looked tells a new leader what may be one look old.
    pub(super) fn of(checkup: &NodeCheckup, told_ago: Duration) -> Self {
        let NodeCheckup { asked_at, answered_at, .. } = checkup;
        if *asked_at == Timestamp::default() {
            return Self { at_least: told_ago, at_most: told_ago + LOOKS_WITHIN };
        }
        let waited = Duration::from_millis(answered_at.0.saturating_sub(asked_at.0));
        Self { at_least: told_ago + waited, at_most: told_ago + waited }
    }

    /// Whether it should long have looked again: this is of another time.
    pub(super) fn is_stale(self) -> bool {
        self.at_least > LOOKS_WITHIN * 2
    }

    /// In how many seconds it has looked again.
    pub(super) fn again_in_s(self) -> u64 {
        LOOKS_WITHIN.saturating_sub(self.at_least).as_secs().max(1)
    }

    /// How long ago it was, in words.
    pub(super) fn ago(self) -> String {
        ago(u64::try_from(self.at_least.as_millis()).unwrap_or(u64::MAX))
    }
}
