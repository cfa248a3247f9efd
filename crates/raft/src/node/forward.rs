//! Proposals on their way from a follower to the leader.
//!
//! Whatever waits goes to the leader in one call, and what comes during a call goes with a later
//! one: the busier the masters, the larger the calls. Each proposal still has its own deadline and
//! its own answer.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use openraft::async_runtime::watch::WatchReceiver;
use prost::bytes::Bytes;
use quorate_model::NodeId;
use quorate_state::{Outcome, OutcomeCodec};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{Shared, local::Leader};
use crate::{
    ProposeError,
    network::{Lane, was_not_sent},
    proto::raft::{self as wire, forwarded::Result as Wire},
    types::Replicated,
};

/// How many calls to one leader are under way at once.
const CALLS_MAX: usize = 2;
/// How many proposals travel in one call.
const PROPOSALS_MAX: usize = 1024;
/// How many bytes travel in one call, if it is more than one proposal: as many as the leader sends
/// on to a follower in one request.
const BYTES_MAX: usize = 1024 * 1024;
/// How many proposals wait here at most; whoever brings more waits to bring it.
pub(super) const QUEUE: usize = 4096;

/// What came of one attempt; `None` when nothing was appended and it is worth trying again.
pub(super) type Attempt = Result<Option<Outcome>, ProposeError>;

/// A proposal that waits for a call.
pub(super) struct Waiting {
    proposal: Bytes,
    deadline: Instant,
    claim: Arc<Claim>,
    answer: oneshot::Sender<Attempt>,
}

/// Whoever takes it first decides: a call, that the proposal was sent, or the proposer, who gave
/// up, that it never will be.
#[derive(Default)]
struct Claim(AtomicBool);

impl Claim {
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

impl Shared {
    /// Gives the proposal to the next call to the leader and waits for what comes of it.
    pub(super) async fn forward(&self, replicated: &Replicated, deadline: Instant) -> Attempt {
        let claim = Arc::new(Claim::default());
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            proposal: replicated.bytes().clone(),
            deadline,
            claim: Arc::clone(&claim),
            answer,
        };
        // A queue that is gone belongs to a node that was shut down.
        let Ok(Ok(())) = timeout_at(deadline, self.forwards.send(waiting)).await else {
            return Ok(None);
        };
        let why = match timeout_at(deadline, answered).await {
            Ok(Ok(attempt)) => return attempt,
            Ok(Err(_)) => "this master was stopped before the leader answered",
            Err(_) => "the leader was asked and did not answer in time",
        };
        if claim.take() { Ok(None) } else { Err(unknown(why)) }
    }
}

/// Makes the calls for as long as the node lives.
pub(super) async fn serve(shared: Shared, mut queue: mpsc::Receiver<Waiting>) {
    let mut leaders = shared.raft.server_metrics();
    let mut is_alive = true;
    let mut leader = Leader::default();
    // Calls end with this task.
    let mut calls = JoinSet::new();
    let mut room = Arc::new(Semaphore::new(CALLS_MAX));
    let mut waiting = Vec::new();
    while !waiting.is_empty() || queue.recv_many(&mut waiting, PROPOSALS_MAX).await > 0 {
        let now = shared.leader();
        if now != leader {
            leader = now;
            // Calls that a lost leader does not answer must not hold up those to the next one.
            room = Arc::new(Semaphore::new(CALLS_MAX));
        }
        let node = match leader.node {
            Some(node) if node != shared.options.node => node,
            // The proposers look for the leader again: it is this node, or there is none.
            _ => {
                give_back(&mut waiting);
                continue;
            }
        };
        let permit = tokio::select! {
            permit = Arc::clone(&room).acquire_owned() => permit,
            changed = leaders.changed(), if is_alive => {
                is_alive = changed.is_ok();
                continue;
            }
        };
        let Ok(permit) = permit else { return };
        while calls.try_join_next().is_some() {}
        let batch = take_batch(&mut waiting, &mut queue);
        calls.spawn(call(shared.clone(), node, leader.addr.clone(), batch, permit));
    }
}

/// Lets each proposer try again by itself.
fn give_back(waiting: &mut Vec<Waiting>) {
    for waiting in waiting.drain(..) {
        waiting.answer(Ok(None));
    }
}

/// What goes into the next call; what is too much stays.
fn take_batch(waiting: &mut Vec<Waiting>, queue: &mut mpsc::Receiver<Waiting>) -> Vec<Waiting> {
    while waiting.len() < PROPOSALS_MAX
        && let Ok(more) = queue.try_recv()
    {
        waiting.push(more);
    }
    let mut bytes = 0;
    let fits = waiting.iter().take_while(|waiting| {
        bytes += waiting.proposal.len();
        bytes <= BYTES_MAX
    });
    let rest = waiting.split_off(fits.count().max(1).min(waiting.len()));
    std::mem::replace(waiting, rest)
}

/// One call to the leader, with an answer for everybody in it.
async fn call(
    shared: Shared,
    leader: NodeId,
    addr: String,
    mut batch: Vec<Waiting>,
    permit: OwnedSemaphorePermit,
) {
    let Some(deadline) = batch.iter().map(|waiting| waiting.deadline).max() else { return };
    let dial = timeout_at(deadline, shared.peers.client(leader, &addr, Lane::Request)).await;
    let Ok(Ok(mut client)) = dial else {
        give_back(&mut batch);
        return;
    };
    // Who has given up in the meantime was told that nothing was appended; who has left asks for
    // nothing any more.
    batch.retain(|waiting| !waiting.answer.is_closed() && waiting.claim.take());
    if batch.is_empty() {
        return;
    }
    let request = wire::ForwardRequest {
        header: Some(shared.peers.header(leader)),
        proposals: batch.iter().map(|waiting| waiting.proposal.clone()).collect(),
    };
    let called = timeout_at(deadline, client.forward(request)).await;
    // Whoever waits for room is let in before the answers are given out.
    drop(permit);
    let cause = match called {
        Ok(Ok(response)) => {
            let mut results = response.into_inner().results.into_iter();
            for waiting in batch {
                waiting.answer(attempt(results.next().and_then(|forwarded| forwarded.result)));
            }
            return;
        }
        Ok(Err(status)) => {
            shared.peers.heed(leader, &status);
            shared.peers.forget(leader, Lane::Request);
            if was_not_sent(&status) || was_refused(&status) {
                give_back(&mut batch);
                return;
            }
            format!("{leader} was asked and did not answer: {}", status.message())
        }
        Err(_) => format!("{leader} was asked and did not answer in time"),
    };
    for waiting in batch {
        waiting.answer(Err(unknown(cause.as_str())));
    }
}

impl Waiting {
    fn answer(self, attempt: Attempt) {
        // Whoever gave up in the meantime is not there.
        drop(self.answer.send(attempt));
    }
}

fn attempt(result: Option<Wire>) -> Attempt {
    match result {
        Some(Wire::Outcome(bytes)) => Outcome::decode(&bytes)
            .map(Some)
            .map_err(|error| unknown(format!("the answer cannot be read: {error}"))),
        Some(Wire::NotLeader(_)) => Ok(None),
        Some(Wire::Unknown(cause)) => Err(ProposeError::OutcomeUnknown { cause }),
        Some(Wire::Unreadable(cause)) => Err(ProposeError::Unreadable(cause)),
        None => Err(unknown("the answer is empty")),
    }
}

/// The other side read the request and refused it before it did anything.
fn was_refused(status: &tonic::Status) -> bool {
    matches!(
        status.code(),
        tonic::Code::PermissionDenied
            | tonic::Code::Unauthenticated
            | tonic::Code::FailedPrecondition
            | tonic::Code::InvalidArgument
            | tonic::Code::Unimplemented
    )
}

pub(super) fn unknown(cause: impl Into<String>) -> ProposeError {
    ProposeError::OutcomeUnknown { cause: cause.into() }
}
