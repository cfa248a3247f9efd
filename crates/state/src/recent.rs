//! Remembers the outcomes of recent requests, so that a retry is answered and not applied again.

use imbl::{OrdMap, Vector};
use quorate_model::{RequestId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Outcome;

/// At most this many outcomes are remembered.
const KEPT: usize = 100_000;
/// The newest outcomes are remembered whatever any clock says: moments are chosen by the clocks of
/// the proposers, and one that is an hour ahead must not make retries of the others new requests.
const KEPT_ALWAYS: usize = 20_000;
/// The older ones are remembered this long, in milliseconds, unless there are too many.
const KEPT_MS: u64 = 10 * 60 * 1000;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key(String, RequestId);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    command_sha256: String,
    outcome: Outcome,
}

/// What is known of a request id.
pub(crate) enum Known<'a> {
    /// Never seen, or forgotten.
    New,
    /// The same request was applied; this was its outcome.
    Same(&'a Outcome),
    /// The id belongs to a different request.
    Different,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RecentOutcomes {
    outcomes: OrdMap<Key, Remembered>,
    order: Vector<(Timestamp, Key)>,
}

impl RecentOutcomes {
    pub(crate) fn find(&self, principal: &str, id: &RequestId, command_sha256: &str) -> Known<'_> {
        match self.outcomes.get(&Key(principal.to_owned(), id.clone())) {
            None => Known::New,
            Some(known) if known.command_sha256 == command_sha256 => Known::Same(&known.outcome),
            Some(_) => Known::Different,
        }
    }

    pub(crate) fn remember(
        &mut self,
        at: Timestamp,
        principal: &str,
        id: &RequestId,
        command_sha256: String,
        outcome: Outcome,
    ) {
        let key = Key(principal.to_owned(), id.clone());
        self.outcomes.insert(key.clone(), Remembered { command_sha256, outcome });
        self.order.push_back((at, key));
        while let Some((oldest_at, _)) = self.order.front() {
            let expired = oldest_at.0.saturating_add(KEPT_MS) < at.0;
            let may_go = expired && self.order.len() > KEPT_ALWAYS;
            if !may_go && self.order.len() <= KEPT {
                break;
            }
            if let Some((_, key)) = self.order.pop_front() {
                self.outcomes.remove(&key);
            }
        }
    }
}
