//! The Raft log of one node: a redb file with sealed records, one writer thread, the newest
//! entries in memory.
//!
//! An append is readable when it returns and durable when its callback runs. Whatever queues up
//! while a transaction is being written goes into the next one together.

mod commit_log;
pub(crate) mod failure;
mod file;
mod reader;
mod tail;
mod writer;

use std::{
    io,
    marker::PhantomData,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use openraft::{
    LogState, OptionalSend,
    storage::{IOFlushed, RaftLogStorage},
};
use quorate_model::CommitTimes;
use tokio::sync::oneshot;

pub(crate) use self::file::{Change, Loaded, LogFile};
use self::{
    commit_log::CommitLog,
    failure::Failure,
    tail::{TAIL_BYTES, Tail},
    writer::{Core, PURGED_AT_ONCE, Waiter, Writer},
};
use crate::{
    RaftError,
    types::{Config, Entry, LogId, Vote},
    vault::Vault,
};

/// What the log held when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogReport {
    pub(crate) entries: u64,
    /// The last write was torn and has been taken back.
    pub(crate) torn: bool,
    pub(crate) purged: Option<LogId>,
    pub(crate) initialised: bool,
}

/// The log store that openraft writes to. Clones share one log.
pub(crate) struct LogStore<C: Config> {
    shared: Arc<Shared<C>>,
}

impl<C: Config> Clone for LogStore<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<C: Config> {
    file: Arc<LogFile>,
    tail: Arc<Mutex<Tail>>,
    writer: Writer<C>,
    commits: CommitLog,
    config: PhantomData<C>,
}

/// Whether a store has its own thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threading {
    Thread,
    #[cfg_attr(not(feature = "sim"), expect(dead_code, reason = "only the simulator"))]
    Inline,
}

impl<C: Config> LogStore<C> {
    /// Opens or creates the log and verifies all of it.
    pub(crate) fn open(
        path: &Path,
        vault: Vault,
        failure: Failure,
        threading: Threading,
    ) -> Result<(Self, LogReport), RaftError> {
        Self::open_with(path, vault, failure, threading, TAIL_BYTES)
    }

    fn open_with(
        path: &Path,
        vault: Vault,
        failure: Failure,
        threading: Threading,
        tail_bytes: usize,
    ) -> Result<(Self, LogReport), RaftError> {
        let (file, loaded) = LogFile::open(path, vault)?;
        let report = LogReport {
            entries: loaded.entries.len() as u64,
            torn: loaded.torn,
            purged: loaded.purged,
            initialised: loaded.vote.is_some()
                || loaded.purged.is_some()
                || !loaded.entries.is_empty(),
        };
        let file = Arc::new(file);
        let tail = Arc::new(Mutex::new(Tail::new(
            loaded.entries,
            loaded.purged,
            loaded.committed,
            loaded.vote,
            tail_bytes,
        )));
        let commits = CommitLog::default();
        let core = Core {
            file: Arc::clone(&file),
            tail: Arc::clone(&tail),
            failure,
            path: path.to_owned(),
            commits: commits.clone(),
        };
        let writer = match threading {
            Threading::Thread => Writer::thread(core)
                .map_err(|source| RaftError::file("start the writer of", path, source))?,
            Threading::Inline => Writer::Inline(core),
        };
        Ok((
            Self { shared: Arc::new(Shared { file, tail, writer, commits, config: PhantomData }) },
            report,
        ))
    }

    /// Writes what is queued and closes the file; tasks that still hold the store get errors.
    /// Blocks for as long as one write takes.
    pub(crate) fn close(&self) {
        self.shared.writer.close();
        self.shared.file.close();
    }

    /// How long the newest commits took; `None` when there were none.
    pub(crate) fn commit_times(&self) -> Option<CommitTimes> {
        self.shared.commits.times()
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.shared.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a change and waits until it is on disk.
    async fn write(&self, change: Change) -> io::Result<()> {
        let (sender, done) = oneshot::channel();
        self.shared.writer.submit(change, Waiter::Call(sender));
        done.await.unwrap_or_else(|_| Err(io::Error::other("the log store is closed")))
    }
}

impl<C: Config> Drop for Shared<C> {
    fn drop(&mut self) {
        self.writer.close();
        self.file.close();
    }
}

impl<C: Config> RaftLogStorage<C> for LogStore<C> {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<C>, io::Error> {
        let tail = self.tail();
        Ok(LogState { last_purged_log_id: tail.purged, last_log_id: tail.last() })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.write(Change::Vote(*vote)).await?;
        self.tail().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.tail().committed = committed;
        self.shared.writer.submit(Change::Committed(committed), Waiter::Nobody);
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.tail().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<C>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        self.tail().append(&entries);
        self.shared.writer.submit(Change::Append(entries), Waiter::Flushed(callback));
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let from = last_log_id.map_or(0, |id| id.index + 1);
        {
            let mut tail = self.tail();
            if from >= tail.end_index() {
                return Ok(());
            }
            tail.truncate_to(from, last_log_id);
        }
        let last = self.tail().last();
        self.write(Change::Truncate { from, last }).await
    }

    /// Returns at once: the entries are in a snapshot, and a log that still holds some of them
    /// after a crash is as good. They leave the file little by little, beside other writes.
    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.tail().purge(log_id);
        let purge = Change::Purge { upto: log_id, at_most: PURGED_AT_ONCE };
        self.shared.writer.submit(purge, Waiter::Nobody);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
