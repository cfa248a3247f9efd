//! Applies committed entries to the state, publishes it, and keeps snapshots of it.
//!
//! The state lives in memory. A restart is the newest snapshot and the log behind it, up to the
//! committed position that the log store remembers.

mod published;
mod snapshot_file;

use std::{io, marker::PhantomData, sync::Arc};

use futures_util::{Stream, StreamExt};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder,
    storage::{ApplyResponder, EntryResponder, RaftStateMachine},
};
use prost::bytes::Bytes;
use quorate_model::{LogIndex, Refusal, codes};
use quorate_state::{CodecError, State};
use tokio::sync::Notify;

pub(crate) use self::{published::Published, snapshot_file::SnapshotFile};
use crate::{
    RaftError,
    log_store::{Threading, failure::Failure},
    ondisk::SnapshotRecord,
    types::{Answer, Config, Entry, LogId, Snapshot, SnapshotMeta, StoredMembership},
};

/// A snapshot is made when the proposals behind the last one are together larger than this, however
/// few they are.
const SNAPSHOT_BYTES: usize = 32 * 1024 * 1024;
/// A state is published at least every so many entries while a long batch is being applied.
const PUBLISH_EVERY: usize = 1024;

pub(crate) struct StateMachine<C: Config> {
    state: Arc<State>,
    applied: Option<LogId>,
    membership: StoredMembership,
    published: Published,
    snapshots: SnapshotFile,
    failure: Failure,
    threading: Threading,
    /// The newest feature level this binary reads.
    reads_level: u32,
    /// Bytes of the proposals behind the last snapshot, and whom to tell when they are many.
    unsaved_bytes: usize,
    large: Arc<Notify>,
    config: PhantomData<C>,
}

/// What the state machine started with.
pub(crate) struct Restored<C: Config> {
    pub(crate) machine: StateMachine<C>,
    pub(crate) published: Published,
    pub(crate) snapshot: Option<LogId>,
    /// Rings when there is so much behind the last snapshot that another is due.
    pub(crate) large: Arc<Notify>,
}

impl<C: Config> StateMachine<C> {
    /// Starts from the snapshot on disk, or empty.
    pub(crate) fn restore(
        snapshots: SnapshotFile,
        failure: Failure,
        threading: Threading,
        reads_level: u32,
    ) -> Result<Restored<C>, RaftError> {
        let (state, meta) = match snapshots.read()? {
            Some(snapshot) => {
                let state =
                    decode_state(&snapshot.state, reads_level).map_err(|error| match error {
                        StateError::Level { level, reads } => {
                            RaftError::BinaryTooOld { level, supported: reads }
                        }
                        StateError::Codec(CodecError::TooNew { found, .. }) => {
                            RaftError::FormatTooNew {
                                what: "snapshot",
                                path: snapshots.path().to_owned(),
                                found: u32::from(found),
                                supported: u32::from(quorate_state::FORMAT_VERSION),
                            }
                        }
                        StateError::Codec(error) => snapshots.corrupt(error.to_string()),
                    })?;
                (Arc::new(state), snapshot.meta)
            }
            None => (Arc::default(), SnapshotMeta::default()),
        };
        let published = Published::new(Arc::clone(&state), meta.last_log_id.map(|id| id.index));
        let large = Arc::new(Notify::new());
        let machine = Self {
            state,
            applied: meta.last_log_id,
            membership: meta.last_membership,
            published: published.clone(),
            snapshots,
            failure,
            threading,
            reads_level,
            unsaved_bytes: 0,
            large: Arc::clone(&large),
            config: PhantomData,
        };
        Ok(Restored { machine, published, snapshot: meta.last_log_id, large })
    }

    /// Applies whatever of these entries the snapshot does not hold, whether or not it is
    /// committed, and gives the state and membership at their end.
    pub(crate) fn replay(
        mut self,
        entries: &[Entry],
    ) -> io::Result<(Arc<State>, StoredMembership, Option<LogId>)> {
        for entry in entries {
            if Some(entry.log_id) > self.applied {
                self.apply_entry(entry)?;
            }
        }
        Ok((self.state, self.membership, self.applied))
    }

    fn apply_entry(&mut self, entry: &Entry) -> io::Result<Answer> {
        let answer = match &entry.payload {
            EntryPayload::Blank => Answer(None),
            EntryPayload::Normal(replicated) => {
                self.unsaved_bytes += replicated.bytes().len();
                // A node that meets a command it does not know must stop, never skip.
                let proposal = replicated.proposal().map_err(|error| {
                    self.failure.report(
                        Refusal::new(
                            codes::BINARY_TOO_OLD,
                            format!("log entry {} cannot be read", entry.log_id.index),
                        )
                        .cause(error.to_string())
                        .hint("run the version of quorate that the other masters run"),
                    );
                    io::Error::other(error)
                })?;
                let index = LogIndex(entry.log_id.index);
                let outcome = Arc::make_mut(&mut self.state).apply(index, &proposal);
                self.check_level()?;
                Answer(Some(outcome))
            }
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
                Answer(None)
            }
        };
        self.applied = Some(entry.log_id);
        Ok(answer)
    }

    /// A node that cannot read what the cluster may write from here on must stop.
    fn check_level(&self) -> io::Result<()> {
        let level = self.state.feature_level;
        if level <= self.reads_level {
            return Ok(());
        }
        let refusal = RaftError::BinaryTooOld { level, supported: self.reads_level }.refusal();
        let error = io::Error::other(refusal.to_string());
        self.failure.report(refusal);
        Err(error)
    }

    /// Shows the state before anybody is told that it has changed: a proposer that has its answer
    /// finds its change in the state.
    fn publish(&self, answers: &mut Vec<(ApplyResponder<C>, Answer)>) {
        self.published.publish(&self.state, self.applied.map(|id| id.index));
        for (responder, answer) in answers.drain(..) {
            responder.send(answer);
        }
    }
}

impl<C: Config> RaftStateMachine<C> for StateMachine<C> {
    type SnapshotData = Bytes;
    type SnapshotBuilder = Builder<C>;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<C>, io::Error>> + Unpin + OptionalSend,
    {
        let mut answers = Vec::new();
        let mut unpublished = 0_usize;
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let answer = self.apply_entry(&entry)?;
            if let Some(responder) = responder {
                answers.push((responder, answer));
            }
            unpublished += 1;
            if unpublished == PUBLISH_EVERY {
                self.publish(&mut answers);
                unpublished = 0;
            }
        }
        self.publish(&mut answers);
        if self.unsaved_bytes > SNAPSHOT_BYTES {
            self.unsaved_bytes = 0;
            self.large.notify_one();
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder<C> {
        self.unsaved_bytes = 0;
        Builder {
            state: Arc::clone(&self.state),
            meta: SnapshotMeta {
                last_log_id: self.applied,
                last_membership: self.membership.clone(),
            },
            snapshots: self.snapshots.clone(),
            failure: self.failure.clone(),
            threading: self.threading,
            config: PhantomData,
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        data: Bytes,
    ) -> Result<(), io::Error> {
        let (snapshots, meta_copy) = (self.snapshots.clone(), meta.clone());
        let (reads_level, failure) = (self.reads_level, self.failure.clone());
        let state = offload(self.threading, move || {
            let state = decode_state(&data, reads_level).map_err(|error| {
                if let StateError::Level { level, reads } = error {
                    failure.report(RaftError::BinaryTooOld { level, supported: reads }.refusal());
                }
                io::Error::new(io::ErrorKind::InvalidData, error)
            })?;
            snapshots.write(&SnapshotRecord { meta: meta_copy, state: data })?;
            Ok(state)
        })
        .await
        .inspect_err(|error| report(&self.failure, &self.snapshots, "install", error))?;
        self.state = Arc::new(state);
        self.unsaved_bytes = 0;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.publish(&mut Vec::new());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        let snapshots = self.snapshots.clone();
        let read = offload(self.threading, move || snapshots.read().map_err(io::Error::other));
        Ok(read.await?.map(|record| Snapshot { meta: record.meta, snapshot: record.state }))
    }
}

/// Builds a snapshot of one state while newer entries are applied to the next.
pub(crate) struct Builder<C: Config> {
    state: Arc<State>,
    meta: SnapshotMeta,
    snapshots: SnapshotFile,
    failure: Failure,
    threading: Threading,
    config: PhantomData<C>,
}

impl<C: Config> RaftSnapshotBuilder<C> for Builder<C> {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let (state, meta) = (Arc::clone(&self.state), self.meta.clone());
        let snapshots = self.snapshots.clone();
        let data = offload(self.threading, move || {
            let data = Bytes::from(state.encode().map_err(io::Error::other)?);
            snapshots.write(&SnapshotRecord { meta, state: data.clone() })?;
            Ok(data)
        })
        .await
        .inspect_err(|error| report(&self.failure, &self.snapshots, "write", error))?;
        Ok(Snapshot { meta: self.meta.clone(), snapshot: data })
    }
}

/// Says that a snapshot failed, unless that is only because the node is shut down. The first words
/// about a failure stay.
fn report(failure: &Failure, snapshots: &SnapshotFile, action: &str, error: &io::Error) {
    if !snapshots.is_closed() {
        failure.report_io(action, snapshots.path(), error);
    }
}

#[derive(Debug, thiserror::Error)]
enum StateError {
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error("the cluster has feature level {level}; this binary supports up to {reads}")]
    Level { level: u32, reads: u32 },
}

fn decode_state(bytes: &[u8], reads: u32) -> Result<State, StateError> {
    let state = State::decode(bytes)?;
    if state.feature_level > reads {
        return Err(StateError::Level { level: state.feature_level, reads });
    }
    Ok(state)
}

/// Runs work that encrypts or writes a whole state off the async threads, where there are any.
async fn offload<T: Send + 'static>(
    threading: Threading,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match threading {
        Threading::Inline => work(),
        Threading::Thread => tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error))),
    }
}
