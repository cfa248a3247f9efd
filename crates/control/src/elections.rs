//! How often the masters elected a leader lately, as this master saw it.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use quorate_model::{NodeId, Term};

use crate::Control;

/// How often it is looked who leads. Elections in between show by the term, which each raises.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For so long they are remembered.
const WINDOW: Duration = Duration::from_secs(600);

/// The elections that this master has seen since it started.
#[derive(Debug, Default)]
pub(crate) struct Elections(Mutex<Seen>);

/// What was seen of elections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counted {
    /// How often another leadership was seen than the one before, since the start.
    pub(crate) changes: u64,
    /// How many elections there were in the last ten minutes, failed ones included.
    pub(crate) lately: u64,
}

#[derive(Debug, Default)]
struct Seen {
    last: Option<Look>,
    changes: u64,
    /// When the term was seen to have risen, and by how much.
    rises: VecDeque<(Instant, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    term: Term,
    leader: NodeId,
}

impl Elections {
    pub(crate) fn counted(&self) -> Counted {
        let now = Instant::now();
        let mut seen = self.seen();
        Counted { changes: seen.changes, lately: seen.lately(now) }
    }

    /// A panic while holding the lock leaves the counts whole, so the poison says nothing.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Takes note of who leads. The first look counts nothing: how many elections there were before
    /// this master came, or came back, says nothing of now.
    fn look(&mut self, look: Look) {
        let before = self.last.replace(look);
        let Some(before) = before else { return };
        if (before.term, before.leader) != (look.term, look.leader) {
            self.changes += 1;
        }
        let rise = look.term.0.saturating_sub(before.term.0);
        // A master that was cut off for longer cannot tell when they were.
        if rise > 0 && look.at.saturating_duration_since(before.at) < WINDOW {
            self.rises.push_back((look.at, rise));
        }
        self.forget(look.at);
    }

    fn lately(&mut self, now: Instant) -> u64 {
        self.forget(now);
        self.rises.iter().map(|(_, rise)| rise).sum()
    }

    fn forget(&mut self, now: Instant) {
        while self.rises.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW)
        {
            self.rises.pop_front();
        }
    }
}

/// Follows who leads until it is dropped.
pub async fn follow_elections(control: Control) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Until this master has heard of a leader whom a quorum follows, it only knows whom it voted
        // for last, which may be long ago.
        if !control.readiness().live().ready {
            continue;
        }
        let status = control.raft().status();
        if let Some(leader) = status.leader {
            let look = Look { at: Instant::now(), term: status.term, leader };
            control.shared.elections.seen().look(look);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is counted at the last second, after looks at (second, term, leader).
    fn counted(looks: &[(u64, u64, u64)], until: u64) -> (u64, u64) {
        let begun = Instant::now();
        let at = |second| begun + Duration::from_secs(second);
        let mut seen = Seen::default();
        for &(second, term, leader) in looks {
            seen.look(Look { at: at(second), term: Term(term), leader: NodeId(leader) });
        }
        let lately = seen.lately(at(until));
        (seen.changes, lately)
    }

    #[test]
    fn elections_are_counted_by_the_term_and_forgotten_after_ten_minutes() {
        assert_eq!(counted(&[], 0), (0, 0));
        assert_eq!(counted(&[(0, 57, 1)], 1), (0, 0), "what was before says nothing");
        assert_eq!(counted(&[(0, 57, 1), (1, 57, 1)], 1), (0, 0));
        assert_eq!(counted(&[(0, 57, 1), (1, 58, 2)], 1), (1, 1));
        // The same leader in a new term was elected, too, and so were those in between.
        assert_eq!(counted(&[(0, 57, 1), (1, 58, 1), (2, 63, 2)], 2), (2, 6));
        let looks: Vec<_> = (0..=700).map(|second| (second, 3 + second / 100, 1)).collect();
        assert_eq!(counted(&looks, 700), (7, 6), "the first is ten minutes ago");
        assert_eq!(counted(&looks, 1300), (7, 0));
    }

    #[test]
    fn a_master_that_was_cut_off_for_long_counts_no_elections_of_others() {
        assert_eq!(counted(&[(0, 5, 1), (599, 9, 2)], 599), (1, 4));
        assert_eq!(counted(&[(0, 5, 1), (600, 9, 2)], 600), (1, 0));
    }
}
