//! Remembers the outcomes of recent requests, so that a retry is answered and not applied again.

use imbl::{OrdMap, Vector};
use quorate_model::{Refusal, RequestId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use sha2::{Digest as _, Sha256};

use crate::{Applied, Command, Outcome};

/// Never more than this many outcomes are remembered: what thirty seconds bring at 15 000 requests
/// a second, and some more. They take about 100 MB.
const KEPT_MOST: usize = 500_000;
/// Clients repeat a request for thirty seconds. For this long, in milliseconds, an outcome makes room
/// only when there are too many of all.
const REPEATED_MS: u64 = 2 * 60 * 1000;
/// Of those that nobody repeats any more, no more than this many are remembered.
const KEPT: usize = 100_000;
/// The newest outcomes are remembered whatever any clock says: moments are chosen by the clocks of
/// the proposers, and one that is an hour ahead must not make retries of the others new requests.
const KEPT_ALWAYS: usize = 20_000;
/// The older ones are remembered this long, in milliseconds, unless there are too many.
const KEPT_MS: u64 = 10 * 60 * 1000;

/// Half of a SHA-256. It is to tell requests apart, not to withstand whoever makes them.
pub(crate) type Digest = ByteArray<16>;

fn digest(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finalize()[..16]);
    ByteArray::new(half)
}

/// Tells two commands apart that carry the same request id. Encoding a command cannot fail for
/// commands this binary can hold; should it ever, all such commands are alike, which only refuses
/// less.
pub(crate) fn command_digest(command: &Command) -> Digest {
    digest(&[&rmp_serde::to_vec_named(command).unwrap_or_default()])
}

/// A request id belongs to its principal, whose name holds no zero byte.
fn request_digest(principal: &str, id: &RequestId) -> Digest {
    digest(&[principal.as_bytes(), &[0], id.as_str().as_bytes()])
}

/// The digest of a request's command, and what came of it. Refusals are rare and large.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered(Digest, Result<Applied, Box<Refusal>>);

/// What is known of a request id.
pub(crate) enum Known {
    /// Never seen, or forgotten.
    New,
    /// The same request was applied; this was its outcome.
    Same(Outcome),
    /// The id belongs to a different request.
    Different,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RecentOutcomes {
    by_request: OrdMap<Digest, Remembered>,
    oldest_first: Vector<(Timestamp, Digest)>,
}

impl RecentOutcomes {
    pub(crate) fn find(&self, principal: &str, id: &RequestId, command: &Digest) -> Known {
        match self.by_request.get(&request_digest(principal, id)) {
            None => Known::New,
            Some(Remembered(known, outcome)) if known == command => {
                Known::Same(outcome.clone().map_err(|refusal| *refusal))
            }
            Some(_) => Known::Different,
        }
    }

    pub(crate) fn remember(
        &mut self,
        at: Timestamp,
        principal: &str,
        id: &RequestId,
        command: Digest,
        outcome: &Outcome,
    ) {
        let request = request_digest(principal, id);
        let outcome = outcome.clone().map_err(Box::new);
        self.by_request.insert(request, Remembered(command, outcome));
        self.oldest_first.push_back((at, request));
        while let Some((oldest, request)) = self.oldest_first.front()
            && may_go(self.oldest_first.len(), *oldest, at)
        {
            self.by_request.remove(request);
            self.oldest_first.pop_front();
        }
    }
}

/// Whether the oldest of so many outcomes is forgotten.
const fn may_go(count: usize, oldest: Timestamp, now: Timestamp) -> bool {
    let age_ms = now.0.saturating_sub(oldest.0);
    count > KEPT_MOST
        || (count > KEPT && age_ms > REPEATED_MS)
        || (count > KEPT_ALWAYS && age_ms > KEPT_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> RequestId {
        RequestId::new(format!("request-{number}")).unwrap()
    }

    #[test]
    fn a_request_is_known_for_as_long_as_it_is_repeated_however_many_come_meanwhile() {
        let mut recent = RecentOutcomes::default();
        let command = digest(&[b"command"]);
        // 5 000 a second for thirty seconds.
        for number in 0..150_000 {
            let at = Timestamp(number / 5);
            recent.remember(at, "user:admin", &id(number), command, &Ok(Applied::Done));
        }
        assert!(matches!(recent.find("user:admin", &id(0), &command), Known::Same(Ok(_))));
        // Two minutes later nobody repeats them, and they make room.
        let later = Timestamp(30_000 + REPEATED_MS);
        recent.remember(later, "user:admin", &id(150_000), command, &Ok(Applied::Done));
        assert!(matches!(recent.find("user:admin", &id(0), &command), Known::New));
        assert_eq!((recent.by_request.len(), recent.oldest_first.len()), (KEPT, KEPT));
    }

    #[test]
    fn how_much_is_remembered_has_bounds_whatever_the_clocks_say() {
        let (start, never) = (Timestamp(1_000), Timestamp(0));
        let after = |ms| Timestamp(1_000 + ms);
        assert!(!may_go(KEPT_MOST, start, after(REPEATED_MS)));
        assert!(may_go(KEPT_MOST + 1, start, start));
        assert!(may_go(KEPT_MOST + 1, start, never), "a clock that is behind");
        assert!(may_go(KEPT + 1, start, after(REPEATED_MS + 1)));
        assert!(!may_go(KEPT, start, after(KEPT_MS)));
        assert!(may_go(KEPT, start, after(KEPT_MS + 1)));
        assert!(!may_go(KEPT_ALWAYS, start, Timestamp(u64::MAX)));
    }
}
