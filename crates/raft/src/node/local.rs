//! What this node does by itself when it leads: write to the log, confirm a read index.

use std::future::Future;

use openraft::{
    Raft, ReadPolicy,
    async_runtime::watch::WatchReceiver,
    errors::{ClientWriteError, Fatal, ForwardToLeader, LinearizableReadError, RaftError},
};
use quorate_model::{NodeId, Refusal, codes};
use quorate_state::Outcome;

use crate::{
    log_store::failure::Failure,
    proto::raft as wire,
    state_machine::StateMachine,
    types::{Replicated, TokioConfig as C},
};

/// Who leads, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Leader {
    pub(crate) node: Option<NodeId>,
    pub(crate) addr: String,
}

impl Leader {
    pub(crate) fn to_wire(&self) -> wire::NotLeader {
        wire::NotLeader { leader: self.node.map_or(0, |node| node.0), addr: self.addr.clone() }
    }
}

impl From<ForwardToLeader<C>> for Leader {
    fn from(forward: ForwardToLeader<C>) -> Self {
        Self {
            node: forward.leader_id.map(NodeId),
            addr: forward.leader_node.map(|node| node.addr).unwrap_or_default(),
        }
    }
}

/// Why this node did not do it.
#[derive(Debug)]
pub(crate) enum NotDone {
    /// Nothing was appended.
    NotLeader(Leader),
    /// It may or may not happen yet.
    Unknown(String),
    /// This node has stopped; nothing was appended.
    Stopped(Refusal),
}

#[derive(Clone)]
pub(crate) struct Local {
    raft: Raft<C, StateMachine<C>>,
    failure: Failure,
}

impl Local {
    pub(crate) const fn new(raft: Raft<C, StateMachine<C>>, failure: Failure) -> Self {
        Self { raft, failure }
    }

    /// Appends and waits until it is applied here.
    pub(crate) fn write(
        &self,
        replicated: Replicated,
    ) -> impl Future<Output = Result<Outcome, NotDone>> + Send + use<'_> {
        // Once the core has ended it can only be said that it has, not what became of an entry.
        let stopped = self.failure.current().or_else(|| {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            metrics.running_state.as_ref().err().map(|fatal| self.stopped(fatal))
        });
        async move {
            if let Some(refusal) = stopped {
                return Err(NotDone::Stopped(refusal));
            }
            match self.raft.client_write(replicated).await {
                Ok(response) => response
                    .data
                    .0
                    .ok_or_else(|| NotDone::Unknown("the proposal has no outcome".to_owned())),
                Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                    Err(NotDone::NotLeader(forward.into()))
                }
                Err(RaftError::APIError(error)) => Err(NotDone::Unknown(error.to_string())),
                // It may have been appended before the core stopped.
                Err(RaftError::Fatal(error)) => Err(NotDone::Unknown(error.to_string())),
            }
        }
    }

    /// Confirms with a quorum that this node leads, and says what must be applied to read.
    pub(crate) async fn read_index(&self) -> Result<u64, NotDone> {
        match self.raft.get_read_log_id(ReadPolicy::ReadIndex).await {
            Ok((read, _)) => Ok(read.index()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                Err(NotDone::NotLeader(forward.into()))
            }
            Err(RaftError::APIError(error)) => Err(NotDone::Unknown(error.to_string())),
            Err(RaftError::Fatal(error)) => Err(NotDone::Stopped(self.stopped(&error))),
        }
    }

    pub(crate) fn stopped(&self, error: &Fatal<C>) -> Refusal {
        self.failure.current().unwrap_or_else(|| {
            Refusal::new(codes::STORAGE_FAILED, "this master has stopped").cause(error.to_string())
        })
    }
}
