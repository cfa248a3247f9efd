//! What this node does by itself when it leads: write to the log, confirm a read index.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use openraft::{
    Instant as _, Raft, RaftMetrics, ReadPolicy,
    async_runtime::watch::WatchReceiver,
    errors::{ClientWriteError, Fatal, ForwardToLeader, LinearizableReadError, RaftError},
};
use quorate_model::{NodeId, Refusal, Term, codes};
use quorate_state::Outcome;

use super::status;
use crate::{
    log_store::failure::Failure,
    proto::raft as wire,
    state_machine::StateMachine,
    types::{Answer, Replicated, TokioConfig as C},
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
    /// A leader that has heard of no quorum for so long takes nothing.
    grace: Duration,
    unheard: Arc<Mutex<Unheard>>,
}

/// The silence of a leader that nobody has acknowledged since its election: its term, and when it
/// was first noticed.
#[derive(Debug, Default)]
struct Unheard(Option<(Term, Instant)>);

impl Unheard {
    fn lasts(&mut self, term: Term, now: Instant) -> Duration {
        match self.0 {
            Some((noticed, since)) if noticed == term => now.saturating_duration_since(since),
            _ => {
                self.0 = Some((term, now));
                Duration::ZERO
            }
        }
    }

    const fn ends(&mut self) {
        self.0 = None;
    }
}

impl Local {
    pub(crate) fn new(raft: Raft<C, StateMachine<C>>, failure: Failure, grace: Duration) -> Self {
        Self { raft, failure, grace, unheard: Arc::default() }
    }

    /// Appends and waits until it is applied here.
    pub(crate) async fn write(&self, replicated: Replicated) -> Result<Outcome, NotDone> {
        if let Some(refusal) = self.ended() {
            return Err(NotDone::Stopped(refusal));
        }
        if self.is_cut_off() {
            return Err(NotDone::NotLeader(Leader::default()));
        }
        match self.raft.client_write(replicated).await {
            Ok(response) => outcome(response.data),
            Err(RaftError::APIError(error)) => Err(not_written(error)),
            // It may have been appended before the core stopped.
            Err(RaftError::Fatal(error)) => Err(NotDone::Unknown(error.to_string())),
        }
    }

    /// Appends in order, in one piece, and waits until all of it is applied here; what came of
    /// each, in their order.
    ///
    /// # Errors
    /// Why this node has stopped; nothing was appended.
    pub(crate) async fn write_many(
        &self,
        replicated: Vec<Replicated>,
    ) -> Result<Vec<Result<Outcome, NotDone>>, Refusal> {
        if let Some(refusal) = self.ended() {
            return Err(refusal);
        }
        if replicated.is_empty() {
            return Ok(Vec::new());
        }
        let count = replicated.len();
        if self.is_cut_off() {
            let not_done = || Err(NotDone::NotLeader(Leader::default()));
            return Ok(std::iter::repeat_with(not_done).take(count).collect());
        }
        let mut results = Vec::with_capacity(count);
        // Once the core has ended it can only be said that it has, not what became of an entry.
        let mut why = "this master has stopped".to_owned();
        match self.raft.client_write_many(replicated).await {
            Ok(mut written) => {
                while let Some(result) = written.next().await {
                    match result {
                        Ok(Ok(written)) => results.push(outcome(written.response)),
                        Ok(Err(error)) => results.push(Err(not_written(error))),
                        Err(fatal) => why = fatal.to_string(),
                    }
                }
            }
            Err(fatal) => why = fatal.to_string(),
        }
        results.resize_with(count, || Err(NotDone::Unknown(why.clone())));
        Ok(results)
    }

    /// Whether this node leads by its own account only. What it appended then would be of unknown
    /// outcome to whoever asked, for as long as no quorum comes back; what it does not append was
    /// certainly not done.
    fn is_cut_off(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        self.silence(&metrics).is_some_and(|silence| silence >= self.grace)
    }

    /// For how long no quorum has answered this node, if it leads by the votes of others. One that
    /// was only just elected was elected by a quorum: then its silence begins when this is first
    /// asked in its term, which is at its election.
    pub(crate) fn silence(&self, metrics: &RaftMetrics<C>) -> Option<Duration> {
        if !status::needs_others(metrics) {
            return None;
        }
        let mut unheard = self.unheard.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match &metrics.last_quorum_acked {
            Some(acked) => {
                unheard.ends();
                acked.elapsed()
            }
            None => unheard.lasts(Term(metrics.current_term), Instant::now()),
        })
    }

    /// Why this node takes no writes any more, if so.
    fn ended(&self) -> Option<Refusal> {
        self.failure.current().or_else(|| {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            metrics.running_state.as_ref().err().map(|fatal| self.stopped(fatal))
        })
    }

    /// Confirms with a quorum that this node leads, and says what must be applied to read.
    pub(crate) async fn read_index(&self) -> Result<u64, NotDone> {
        match self.raft.get_read_log_id(ReadPolicy::ReadIndex).await {
            Ok((read, _)) => Ok(read.index()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                Err(NotDone::NotLeader(forward.into()))
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                Err(NotDone::Unknown("a majority of the voters did not answer".to_owned()))
            }
            Err(RaftError::Fatal(error)) => Err(NotDone::Stopped(self.stopped(&error))),
        }
    }

    pub(crate) fn stopped(&self, error: &Fatal<C>) -> Refusal {
        self.failure.current().unwrap_or_else(|| {
            Refusal::new(codes::STORAGE_FAILED, "this master has stopped").cause(error.to_string())
        })
    }
}

fn outcome(answer: Answer) -> Result<Outcome, NotDone> {
    answer.0.ok_or_else(|| NotDone::Unknown("the proposal has no outcome".to_owned()))
}

fn not_written(error: ClientWriteError<C>) -> NotDone {
    match error {
        ClientWriteError::ForwardToLeader(forward) => NotDone::NotLeader(forward.into()),
        // It was appended here and has left this log; it may be in another one.
        error => NotDone::Unknown(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_silence_of_an_unheard_leader_begins_anew_in_each_term_and_ends_with_an_answer() {
        let mut unheard = Unheard::default();
        let begun = Instant::now();
        let after = |ms| begun + Duration::from_millis(ms);
        let lasts = [(3, 0, 0), (3, 700, 700), (4, 900, 0), (4, 1_000, 100)];
        for (term, at_ms, lasted_ms) in lasts {
            let lasted = unheard.lasts(Term(term), after(at_ms));
            assert_eq!(lasted, Duration::from_millis(lasted_ms), "term {term} at {at_ms} ms");
        }
        unheard.ends();
        assert_eq!(unheard.lasts(Term(4), after(2_000)), Duration::ZERO);
    }
}
