//! How long the newest commits took, each with its `fdatasync`.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use quorate_model::CommitTimes;

/// So many commits are remembered.
const KEPT: usize = 4096;
/// For so long.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// Clones share what is remembered.
#[derive(Debug, Clone, Default)]
pub(super) struct CommitLog(Arc<Mutex<VecDeque<(Instant, Duration)>>>);

impl CommitLog {
    /// Takes note of a commit that has just ended.
    pub(super) fn note(&self, took: Duration) {
        let mut commits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if commits.len() >= KEPT {
            commits.pop_front();
        }
        commits.push_back((Instant::now(), took));
    }

    /// How long they took; `None` when there were none.
    pub(super) fn times(&self) -> Option<CommitTimes> {
        let mut took: Vec<Duration> = {
            let mut commits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            while commits.front().is_some_and(|(at, _)| at.elapsed() > KEPT_FOR) {
                commits.pop_front();
            }
            commits.iter().map(|(_, took)| *took).collect()
        };
        took.sort_unstable();
        summary(&took)
    }
}

fn summary(sorted: &[Duration]) -> Option<CommitTimes> {
    let micros = |took: &Duration| u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    // The smallest that at least `percent` of all do not exceed.
    let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1);
    Some(CommitTimes {
        count: sorted.len() as u64,
        p50_us: micros(at(50)?),
        p99_us: micros(at(99)?),
        max_us: micros(sorted.last()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_noted() {
        assert_eq!(CommitLog::default().times(), None);
        let sorted: Vec<Duration> = (1..=200).map(Duration::from_micros).collect();
        let times = CommitTimes { count: 200, p50_us: 100, p99_us: 198, max_us: 200 };
        assert_eq!(summary(&sorted), Some(times));
        let one = CommitTimes { count: 1, p50_us: 7, p99_us: 7, max_us: 7 };
        assert_eq!(summary(&[Duration::from_micros(7)]), Some(one));
    }

    #[test]
    fn only_the_newest_are_remembered() {
        let log = CommitLog::default();
        for _ in 0..KEPT {
            log.note(Duration::from_secs(1));
        }
        for _ in 0..KEPT {
            log.note(Duration::from_micros(1));
        }
        assert_eq!(log.times().unwrap().max_us, 1);
    }
}
