//! Who tried to log in and failed: counted all, and written to the node's log, so many a minute.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tracing::warn;

/// So many lines are written in one minute; anybody can cause one, and none may fill the disk.
const LINES: u32 = 30;
const MINUTE: Duration = Duration::from_secs(60);
/// Of a name nobody has, this much is written: a name is short, and the rest may be anything.
const LONGEST_NAME: usize = 64;

/// The failed logins of this process.
#[derive(Debug, Default)]
pub(crate) struct FailedLogins(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    total: u64,
    minute_began: Option<Instant>,
    written: u32,
    left_out: u64,
}

/// What to write about a failed login.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// A line, and how many were left out since the last minute's.
    Write { left_out: u64 },
    /// Nothing.
    LeaveOut,
}

impl FailedLogins {
    /// Counts a failed login, and writes who it was while there are not too many.
    pub(crate) fn note(&self, user: &str, from: &str, now: Instant) {
        let Line::Write { left_out } = self.counts().count(now) else { return };
        if left_out > 0 {
            warn!(left_out, "more logins failed in the minute before than were written");
        }
        warn!(user = ?shortened(user), from, "a login failed");
    }

    /// How many logins have failed on this master since it started.
    pub(crate) fn total(&self) -> u64 {
        self.counts().total
    }

    /// A panic while holding the lock leaves the counts whole, so the poison says nothing.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn count(&mut self, now: Instant) -> Line {
        self.total += 1;
        let goes_on =
            self.minute_began.is_some_and(|began| now.saturating_duration_since(began) < MINUTE);
        let mut left_out = 0;
        if !goes_on {
            left_out = std::mem::take(&mut self.left_out);
            self.minute_began = Some(now);
            self.written = 0;
        }
        if self.written >= LINES {
            self.left_out += 1;
            return Line::LeaveOut;
        }
        self.written += 1;
        Line::Write { left_out }
    }
}

fn shortened(user: &str) -> String {
    user.chars().take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_failed_logins_writes_a_bounded_number_of_lines_and_says_how_many_it_left_out() {
        let began = Instant::now();
        let mut counts = Counts::default();
        let lines: Vec<Line> = (0..100).map(|_| counts.count(began)).collect();
        let written = lines.iter().filter(|line| **line == Line::Write { left_out: 0 }).count();
        assert_eq!(written, 30);
        assert_eq!(counts.count(began + MINUTE), Line::Write { left_out: 70 });
        assert_eq!(counts.count(began + MINUTE), Line::Write { left_out: 0 });
        assert_eq!(counts.total, 102);
    }

    #[test]
    fn an_endless_name_is_cut() {
        assert_eq!(shortened(&"é".repeat(1000)).chars().count(), LONGEST_NAME);
    }
}
