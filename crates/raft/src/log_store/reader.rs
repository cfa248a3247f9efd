//! Reading the log: from the tail, and from the file what the tail no longer holds.

use std::{
    fmt::Debug,
    io,
    ops::{Bound, RangeBounds},
};

use openraft::{OptionalSend, RaftLogReader};

use super::LogStore;
use crate::types::{Config, Entry, Vote};

/// About how much one replication request carries.
const REQUEST_BYTES: usize = 1024 * 1024;

impl<C: Config> LogStore<C> {
    fn read(&self, from: u64, to: u64, limit_bytes: usize) -> io::Result<Vec<Entry>> {
        let (from, in_memory_from, to) = {
            let tail = self.tail();
            let from = from.max(tail.start_index());
            let to = to.min(tail.end_index());
            if from >= to {
                return Ok(Vec::new());
            }
            if from >= tail.first_index() {
                return Ok(tail.read(from, to, limit_bytes));
            }
            (from, tail.first_index().min(to), to)
        };
        // Entries leave the tail only once they are on disk, so the two parts meet.
        let mut entries = self.shared.file.read(from, in_memory_from, limit_bytes)?;
        // A log may begin behind its first index; a limited read may have stopped before the tail.
        let reached = entries.last().is_none_or(|entry| entry.log_id.index + 1 == in_memory_from);
        let is_wanted = limit_bytes == usize::MAX || entries.is_empty();
        if reached && is_wanted && in_memory_from < to {
            let tail = self.tail();
            if tail.first_index() <= in_memory_from {
                entries.extend(tail.read(in_memory_from, to, limit_bytes));
            } else {
                // The tail has moved on in the meantime; what left it is in the file.
                drop(tail);
                entries.extend(self.read(in_memory_from, to, limit_bytes)?);
            }
        }
        Ok(entries)
    }
}

impl<C: Config> RaftLogReader<C> for LogStore<C> {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let from = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&start) => start + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(&end) => end.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => u64::MAX,
        };
        self.read(from, to, usize::MAX)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.tail().vote)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        self.read(start, end, REQUEST_BYTES)
    }
}
