//! The newest part of the log in memory: appended entries are readable at once, and replication
//! neither reads nor unseals what was just written.

use std::collections::VecDeque;

use openraft::EntryPayload;

use crate::types::{Entry, LogId, Vote};

/// How much of the log is kept in memory, in bytes of proposals.
pub(super) const TAIL_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Tail {
    /// Consecutive; the last one is the log's last.
    entries: VecDeque<Entry>,
    bytes: usize,
    budget: usize,
    /// Everything up to here is on disk and may leave the tail.
    durable: Option<u64>,
    pub(super) purged: Option<LogId>,
    pub(super) committed: Option<LogId>,
    pub(super) vote: Option<Vote>,
    /// The last entry's id, also when the entry has left the tail.
    last: Option<LogId>,
}

impl Tail {
    pub(super) fn new(
        entries: Vec<Entry>,
        purged: Option<LogId>,
        committed: Option<LogId>,
        vote: Option<Vote>,
        budget: usize,
    ) -> Self {
        let last = entries.last().map(|entry| entry.log_id);
        let bytes = entries.iter().map(size).sum();
        let durable = last.map(|id| id.index);
        let entries = entries.into();
        let mut tail = Self { entries, bytes, budget, durable, purged, committed, vote, last };
        tail.evict();
        tail
    }

    /// The id of the last entry, or of the last purged one when there is none.
    pub(super) fn last(&self) -> Option<LogId> {
        self.last.or(self.purged)
    }

    pub(super) fn append(&mut self, entries: &[Entry]) {
        if let Some(first) = entries.first() {
            self.truncate(first.log_id.index);
        }
        for entry in entries {
            self.bytes += size(entry);
            self.last = Some(entry.log_id);
            self.entries.push_back(entry.clone());
        }
    }

    /// Everything up to `index` is on disk.
    pub(super) fn flushed(&mut self, index: u64) {
        self.durable = self.durable.max(Some(index));
        self.evict();
    }

    /// Forgets every entry from `from` on. `before` is the id of the entry before it.
    pub(super) fn truncate_to(&mut self, from: u64, before: Option<LogId>) {
        self.truncate(from);
        if self.last.is_some_and(|last| last.index >= from) {
            self.last = before.filter(|id| self.purged.as_ref() < Some(id));
        }
    }

    fn truncate(&mut self, from: u64) {
        while let Some(entry) = self.entries.pop_back_if(|entry| entry.log_id.index >= from) {
            self.bytes -= size(&entry);
        }
        if self.durable.is_some_and(|durable| durable >= from) {
            self.durable = from.checked_sub(1);
        }
    }

    pub(super) fn purge(&mut self, upto: LogId) {
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.log_id.index <= upto.index)
        {
            self.bytes -= size(&entry);
        }
        if self.last.is_some_and(|last| last.index <= upto.index) {
            self.last = None;
        }
        self.purged = self.purged.max(Some(upto));
    }

    /// The first index this tail holds; everything from there to the end is in memory.
    pub(super) fn first_index(&self) -> u64 {
        self.entries.front().map_or_else(
            || self.last().map_or(0, |last| last.index + 1),
            |entry| entry.log_id.index,
        )
    }

    /// The index behind the last entry.
    pub(super) fn end_index(&self) -> u64 {
        self.last().map_or(0, |last| last.index + 1)
    }

    /// The first index that is not purged.
    pub(super) fn start_index(&self) -> u64 {
        self.purged.map_or(0, |purged| purged.index + 1)
    }

    /// The entries from `from` to before `to` that are in memory, at most about `limit_bytes` but
    /// at least one.
    pub(super) fn read(&self, from: u64, to: u64, limit_bytes: usize) -> Vec<Entry> {
        let first = self.first_index();
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let mut read = Vec::new();
        for entry in self.entries.iter().skip(skip) {
            bytes += size(entry);
            if entry.log_id.index >= to || (bytes > limit_bytes && !read.is_empty()) {
                break;
            }
            read.push(entry.clone());
        }
        read
    }

    fn evict(&mut self) {
        while self.bytes > self.budget {
            let durable = self.durable;
            let Some(entry) =
                self.entries.pop_front_if(|entry| Some(entry.log_id.index) <= durable)
            else {
                break;
            };
            self.bytes -= size(&entry);
        }
    }
}

fn size(entry: &Entry) -> usize {
    /// What an entry costs besides its proposal.
    const OVERHEAD: usize = 128;
    match &entry.payload {
        EntryPayload::Normal(proposal) => OVERHEAD + proposal.bytes().len(),
        _ => OVERHEAD,
    }
}
