//! The one writer of a log file: a thread that takes whatever is queued, writes it in one
//! transaction, and then says so to everybody who waited for it.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use openraft::storage::IOFlushed;
use tokio::sync::oneshot;

use super::{
    commit_log::CommitLog,
    failure::Failure,
    file::{Change, LogFile},
    tail::Tail,
};
use crate::types::{Config, LogId};

/// The committed position is a hint for the next start, and need not be newer than this. It rides along
/// with another write, or is written by itself when the log has been idle for so long.
const COMMITTED_LINGER: Duration = Duration::from_millis(100);
/// At most this many jobs in one transaction.
const JOBS_MAX: usize = 4096;
/// At most this many entries are purged in one transaction, so that a write never waits long for
/// the removal of old ones.
pub(super) const PURGED_AT_ONCE: u64 = 128;

/// Who waits for a change to be on disk.
pub(super) enum Waiter<C: Config> {
    Flushed(IOFlushed<C>),
    Call(oneshot::Sender<io::Result<()>>),
    Nobody,
}

impl<C: Config> Waiter<C> {
    fn done(self, result: io::Result<()>) {
        match self {
            Self::Flushed(callback) => callback.io_completed(result),
            // Nobody listens any more: the caller was cancelled.
            Self::Call(sender) => drop(sender.send(result)),
            Self::Nobody => {}
        }
    }
}

pub(super) enum Job<C: Config> {
    Write(Change, Waiter<C>),
    Close,
}

/// How changes reach the file: through the writer thread, or at once in the simulator, where
/// there are no threads.
pub(super) enum Writer<C: Config> {
    Thread { jobs: Sender<Job<C>>, handle: Mutex<Option<JoinHandle<()>>> },
    Inline(Core),
}

impl<C: Config> Writer<C> {
    pub(super) fn thread(core: Core) -> io::Result<Self> {
        let (jobs, queue) = channel();
        let handle = std::thread::Builder::new()
            .name("quorate-log".to_owned())
            .spawn(move || run(&core, &queue))?;
        Ok(Self::Thread { jobs, handle: Mutex::new(Some(handle)) })
    }

    pub(super) fn submit(&self, change: Change, waiter: Waiter<C>) {
        match self {
            Self::Thread { jobs, .. } => {
                if let Err(unsent) = jobs.send(Job::Write(change, waiter))
                    && let Job::Write(_, waiter) = unsent.0
                {
                    waiter.done(Err(io::Error::other("the log store is closed")));
                }
            }
            Self::Inline(core) => {
                let mut left = core.write(vec![change], vec![waiter]);
                while let Some(upto) = left {
                    left = core.write::<C>(vec![purge(upto, u64::MAX)], Vec::new());
                }
            }
        }
    }

    /// Writes what is queued and ends the thread. Blocks for as long as one write takes.
    pub(super) fn close(&self) {
        if let Self::Thread { jobs, handle } = self {
            drop(jobs.send(Job::Close));
            if let Some(handle) = handle.lock().unwrap_or_else(PoisonError::into_inner).take() {
                drop(handle.join());
            }
        }
    }
}

/// What the writer works on.
pub(super) struct Core {
    pub(super) file: Arc<LogFile>,
    pub(super) tail: Arc<Mutex<Tail>>,
    pub(super) failure: Failure,
    pub(super) path: PathBuf,
    pub(super) commits: CommitLog,
}

impl Core {
    /// Writes changes in one transaction and tells the waiters; answers up to where there is still
    /// something to purge.
    fn write<C: Config>(&self, changes: Vec<Change>, waiters: Vec<Waiter<C>>) -> Option<LogId> {
        let begun = Instant::now();
        let result = self.commit(&changes);
        self.commits.note(begun.elapsed());
        match &result {
            Ok(_) => {
                let newest = changes.iter().rev().find_map(|change| match change {
                    Change::Append(entries) => entries.last().map(|entry| entry.log_id.index),
                    _ => None,
                });
                if let Some(index) = newest {
                    self.tail.lock().unwrap_or_else(PoisonError::into_inner).flushed(index);
                }
            }
            Err(error) => self.failure.report_io("write", &self.path, error),
        }
        for waiter in waiters {
            waiter.done(result.as_ref().map(|_| ()).map_err(copy));
        }
        result.unwrap_or_default()
    }

    fn commit(&self, changes: &[Change]) -> io::Result<Option<LogId>> {
        if let Some(refusal) = self.failure.current() {
            // After a failed write the database's state is unknown until it is reopened.
            return Err(io::Error::other(refusal));
        }
        catch_unwind(AssertUnwindSafe(|| self.file.apply(changes)))
            .unwrap_or_else(|_| Err(io::Error::other("the database panicked")))
    }
}

fn purge(upto: LogId, at_most: u64) -> Change {
    Change::Purge { upto, at_most }
}

fn run<C: Config>(core: &Core, queue: &Receiver<Job<C>>) {
    let mut committed: Option<Option<LogId>> = None;
    let mut committed_due = Instant::now();
    let mut unpurged: Option<LogId> = None;
    let mut open = true;
    while open {
        let first = if unpurged.is_some() {
            queue.try_recv().ok()
        } else if committed.is_some() {
            match queue.recv_timeout(COMMITTED_LINGER) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Job::Close),
            }
        } else {
            Some(queue.recv().unwrap_or(Job::Close))
        };
        let idle = first.is_none();
        // In order: what is appended next may depend on what was purged before.
        let mut changes: Vec<_> =
            unpurged.take().map(|upto| purge(upto, PURGED_AT_ONCE)).into_iter().collect();
        let mut waiters = Vec::new();
        for job in first.into_iter().chain(std::iter::from_fn(|| queue.try_recv().ok())) {
            match job {
                Job::Write(Change::Committed(newer), Waiter::Nobody) => committed = Some(newer),
                Job::Write(change, waiter) => {
                    changes.push(change);
                    waiters.push(waiter);
                }
                Job::Close => open = false,
            }
            if !open || changes.len() >= JOBS_MAX {
                break;
            }
        }
        if (idle || !open || (!changes.is_empty() && Instant::now() >= committed_due))
            && let Some(newest) = committed.take()
        {
            changes.push(Change::Committed(newest));
            committed_due = Instant::now() + COMMITTED_LINGER;
        }
        if !changes.is_empty() {
            unpurged = core.write(changes, waiters);
        }
    }
    if let Some(upto) = unpurged {
        core.write::<C>(vec![purge(upto, u64::MAX)], Vec::new());
    }
}

/// `io::Error` cannot be cloned; the kind is what matters to whoever gets the copy.
fn copy(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}
