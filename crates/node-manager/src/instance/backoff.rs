//! When a process that ended by itself, or could not be started, is tried again.

use std::time::Duration;

use quorate_model::Generation;
use tokio::time::Instant;

use crate::pace::Pace;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A process that ran this long has come up: its end is a new trouble, not the old one again.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// Pauses between the starts of one instance. A new order starts at once.
#[derive(Debug)]
pub(crate) struct StartBackoff {
    pace: Pace,
    not_before: Option<Instant>,
    /// The generation whose starts are counted.
    generation: Option<Generation>,
}

impl StartBackoff {
    pub(crate) const fn new() -> Self {
        Self { pace: Pace::new(FIRST_PAUSE, LONGEST_PAUSE), not_before: None, generation: None }
    }

    /// This generation is ordered. One that was not ordered before may be started for at once.
    pub(crate) fn order(&mut self, generation: Generation) {
        if self.generation != Some(generation) {
            self.generation = Some(generation);
            self.pace.reset();
            self.not_before = None;
        }
    }

    /// When a start may be tried; `None` means now.
    pub(crate) fn not_before(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|at| *at > now)
    }

    /// The process ended by itself after it had run for so long.
    pub(crate) fn ended(&mut self, ran_for: Duration, now: Instant) {
        if ran_for >= HEALTHY_AFTER {
            self.pace.reset();
        }
        self.not_before = Some(now + self.pace.pause());
    }

    /// A start did not succeed.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.not_before = Some(now + self.pace.pause());
    }

    /// What stood in the way is gone: the next start may be tried now.
    pub(crate) fn hurry(&mut self) {
        self.not_before = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The pause in seconds before the next start, under an order; 0 for none.
    fn pause(backoff: &mut StartBackoff, generation: u64, now: Instant) -> u64 {
        backoff.order(Generation(generation));
        backoff.not_before(now).map_or(0, |at| (at - now).as_secs())
    }

    #[test]
    fn crashes_are_answered_ever_more_slowly_until_one_run_was_healthy() {
        let now = Instant::now();
        let mut backoff = StartBackoff::new();
        assert_eq!(pause(&mut backoff, 1, now), 0, "the first start");
        let mut pauses = Vec::new();
        for ran_for_s in [0, 0, 59, 0, 0, 0, 0, 60, 0] {
            backoff.ended(ran_for_s * SECOND, now);
            pauses.push(pause(&mut backoff, 1, now));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 1, 2]);
        assert_eq!(pause(&mut backoff, 1, now + 2 * SECOND), 0, "once the pause is over");
    }

    #[test]
    fn a_new_order_starts_at_once() {
        let now = Instant::now();
        let mut backoff = StartBackoff::new();
        assert_eq!(pause(&mut backoff, 1, now), 0);
        for _ in 0..5 {
            backoff.failed(now);
        }
        assert_eq!(pause(&mut backoff, 1, now), 16);
        assert_eq!(pause(&mut backoff, 2, now), 0);
        backoff.failed(now);
        assert_eq!(pause(&mut backoff, 2, now), 1);
        backoff.hurry();
        assert_eq!(pause(&mut backoff, 2, now), 0);
    }

    #[test]
    fn the_first_crash_of_a_process_that_was_found_running_is_answered_after_a_pause() {
        let now = Instant::now();
        let mut backoff = StartBackoff::new();
        backoff.order(Generation(1));
        backoff.ended(Duration::ZERO, now);
        assert_eq!(pause(&mut backoff, 1, now), 1);
    }
}
