//! What went wrong on this master in the last ten minutes: counted, with the last words, in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use quorate_model::{NodeId, Trouble, TroubleKind};

/// So many minutes are remembered.
const MINUTES: usize = 10;
/// Nobody can make this list long by calling under many names.
const KEPT: usize = 64;

/// Counts what went wrong. Clones share the counts.
#[derive(Debug, Clone)]
pub struct Troubles(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    begun: Instant,
    counts: Mutex<BTreeMap<(TroubleKind, Option<NodeId>), Count>>,
}

#[derive(Debug, Default)]
struct Count {
    /// How often in each minute, at the place of the minute's number modulo ten.
    minutes: [u32; MINUTES],
    /// The minute of the last time, counted from the start.
    minute: u64,
    last_ms: u64,
    words: String,
}

impl Default for Troubles {
    fn default() -> Self {
        Self(Arc::new(Inner { begun: Instant::now(), counts: Mutex::default() }))
    }
}

impl Troubles {
    /// Takes note.
    pub fn note(&self, kind: TroubleKind, node: Option<NodeId>, words: impl Into<String>) {
        self.note_at(kind, node, words.into(), self.elapsed_ms());
    }

    /// What went wrong in the last ten minutes, most often first.
    #[must_use]
    pub fn recent(&self) -> Vec<Trouble> {
        self.recent_at(self.elapsed_ms())
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn note_at(&self, kind: TroubleKind, node: Option<NodeId>, words: String, now_ms: u64) {
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if !counts.contains_key(&(kind, node)) && counts.len() >= KEPT {
            counts.retain(|_, count| now_ms / 60_000 < count.minute + MINUTES as u64);
            if counts.len() >= KEPT {
                return;
            }
        }
        let count = counts.entry((kind, node)).or_default();
        count.turn_to(now_ms / 60_000);
        let slot = slot(count.minute);
        count.minutes[slot] = count.minutes[slot].saturating_add(1);
        count.last_ms = now_ms;
        count.words = words;
    }

    fn recent_at(&self, now_ms: u64) -> Vec<Trouble> {
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut troubles: Vec<Trouble> = counts
            .iter_mut()
            .filter_map(|((kind, node), count)| {
                count.turn_to(now_ms / 60_000);
                let total: u64 = count.minutes.iter().map(|often| u64::from(*often)).sum();
                (total > 0).then(|| Trouble {
                    kind: *kind,
                    node: *node,
                    count: total,
                    last_ago_ms: now_ms.saturating_sub(count.last_ms),
                    words: count.words.clone(),
                })
            })
            .collect();
        troubles.sort_by_key(|trouble| std::cmp::Reverse(trouble.count));
        troubles
    }
}

impl Count {
    /// Forgets the minutes that are too long ago.
    fn turn_to(&mut self, minute: u64) {
        let passed = minute.saturating_sub(self.minute).min(MINUTES as u64);
        for step in 1..=passed {
            self.minutes[slot(minute + 1 - step)] = 0;
        }
        self.minute = self.minute.max(minute);
    }
}

fn slot(minute: u64) -> usize {
    usize::try_from(minute % MINUTES as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const N2: Option<NodeId> = Some(NodeId(2));

    fn note(troubles: &Troubles, words: &str, seconds: u64) {
        troubles.note_at(TroubleKind::Replication, N2, words.to_owned(), seconds * 1000);
    }

    fn counts(troubles: &Troubles, seconds: u64) -> Vec<(u64, u64)> {
        let recent = troubles.recent_at(seconds * 1000);
        recent.iter().map(|it| (it.count, it.last_ago_ms / 1000)).collect()
    }

    #[test]
    fn what_is_ten_minutes_ago_is_forgotten() {
        let troubles = Troubles::default();
        note(&troubles, "first", 5);
        note(&troubles, "second", 65);
        note(&troubles, "third", 70);
        assert_eq!(counts(&troubles, 80), [(3, 10)]);
        assert_eq!(troubles.recent_at(80_000)[0].words, "third");
        assert_eq!(counts(&troubles, 601), [(2, 531)], "the first minute is gone");
        assert_eq!(counts(&troubles, 60 * 11), []);
        note(&troubles, "much later", 100_000);
        assert_eq!(counts(&troubles, 100_000), [(1, 0)]);
    }

    #[test]
    fn callers_under_many_names_do_not_fill_the_memory() {
        let troubles = Troubles::default();
        for node in 0..1000 {
            troubles.note_at(TroubleKind::RefusedNode, Some(NodeId(node)), String::new(), 0);
        }
        assert_eq!(troubles.recent_at(0).len(), KEPT);
        note(&troubles, "there is room again later", 3600);
        assert_eq!(counts(&troubles, 3600), [(1, 0)]);
    }
}
