//! Growing pauses between attempts.

use std::time::Duration;

use quorate_keyring::OsIdSource;
use quorate_model::IdSource;

/// Pauses that double from `first` to `most`.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Pace {
    pub(crate) const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first }
    }

    /// The pause to make now.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.most);
        pause
    }

    /// As [`Self::pause`], shortened by up to half at random: many node managers lose the same
    /// leader at the same moment.
    pub(crate) fn jittered_pause(&mut self) -> Duration {
        let pause = self.pause();
        let part = u32::try_from(OsIdSource.random() % 1000).unwrap_or_default();
        pause / 2 + pause * part / 2000
    }

    /// Begins with the shortest pause again.
    pub(crate) const fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_reset() {
        let mut pace = Pace::new(Duration::from_secs(1), Duration::from_secs(30));
        let pauses: Vec<u64> = (0..7).map(|_| pace.pause().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        pace.reset();
        assert_eq!(pace.pause().as_secs(), 1);
    }

    #[test]
    fn a_jittered_pause_is_between_half_and_the_whole() {
        for _ in 0..100 {
            let mut pace = Pace::new(Duration::from_millis(100), Duration::from_secs(2));
            let pause = pace.jittered_pause();
            assert!((50..=100).contains(&pause.as_millis()), "{pause:?}");
        }
    }
}
