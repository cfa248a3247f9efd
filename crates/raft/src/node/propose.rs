//! Proposals from any master: applied here when it leads, forwarded to the leader otherwise.
//!
//! A proposal is sent again only when it is certain that nothing was appended. Everything else
//! is an unknown outcome, which only the client can resolve, by repeating its request id.

use std::time::Duration;

use quorate_model::NodeId;
use quorate_state::{Outcome, OutcomeCodec, Proposal};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{RaftNode, Shared, local::NotDone};
use crate::{
    ProposeError,
    network::{Lane, was_not_sent},
    proto::raft as wire,
    types::Replicated,
};

/// How long a proposal rests before it looks for a leader again.
const RETRY: Duration = Duration::from_millis(20);

impl RaftNode {
    /// Replicates a proposal and says what came of it, from any master. A proposal that was
    /// applied is in [`RaftNode::state`] of the leader when this returns there.
    ///
    /// # Errors
    /// [`ProposeError::NoLeader`] when no leader took it within the deadline;
    /// [`ProposeError::OutcomeUnknown`] when it may or may not have been applied.
    pub async fn propose(&self, proposal: Proposal) -> Result<Outcome, ProposeError> {
        let shared = &self.inner.shared;
        let replicated = Replicated::new(proposal)?;
        let waited = shared.options.propose_deadline;
        let deadline = Instant::now() + waited;
        while Instant::now() < deadline {
            if let Some(outcome) = shared.propose_once(&replicated, deadline).await? {
                return Ok(outcome);
            }
            sleep_until(deadline.min(Instant::now() + RETRY)).await;
        }
        Err(ProposeError::NoLeader { waited })
    }
}

impl Shared {
    /// One attempt; `None` when nothing was appended and it is worth trying again.
    async fn propose_once(
        &self,
        replicated: &Replicated,
        deadline: Instant,
    ) -> Result<Option<Outcome>, ProposeError> {
        let leader = self.leader();
        match leader.node {
            None => self.stopped().map_or(Ok(None), |refusal| Err(ProposeError::Storage(refusal))),
            Some(node) if node == self.options.node => {
                match timeout_at(deadline, self.local.write(replicated.clone())).await {
                    Ok(Ok(outcome)) => Ok(Some(outcome)),
                    Ok(Err(NotDone::NotLeader(_))) => Ok(None),
                    Ok(Err(NotDone::Unknown(cause))) => Err(ProposeError::OutcomeUnknown { cause }),
                    Ok(Err(NotDone::Stopped(refusal))) => Err(ProposeError::Storage(refusal)),
                    Err(_) => Err(unknown("no majority confirmed it in time")),
                }
            }
            Some(node) => self.forward(node, &leader.addr, replicated, deadline).await,
        }
    }

    async fn forward(
        &self,
        leader: NodeId,
        addr: &str,
        replicated: &Replicated,
        deadline: Instant,
    ) -> Result<Option<Outcome>, ProposeError> {
        use wire::forward_response::Result as Wire;
        let dial = timeout_at(deadline, self.peers.client(leader, addr, Lane::Request)).await;
        let Ok(Ok(mut client)) = dial else { return Ok(None) };
        let request = wire::ForwardRequest {
            header: Some(self.peers.header(leader)),
            proposal: replicated.bytes().clone(),
        };
        let response = match timeout_at(deadline, client.forward(request)).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => {
                self.peers.forget(leader, Lane::Request);
                return if was_not_sent(&status) || was_refused(&status) {
                    Ok(None)
                } else {
                    Err(unknown(format!(
                        "{leader} was asked and did not answer: {}",
                        status.message()
                    )))
                };
            }
            Err(_) => {
                return Err(unknown(format!("{leader} was asked and did not answer in time")));
            }
        };
        match response.result {
            Some(Wire::Outcome(bytes)) => Outcome::decode(&bytes)
                .map(Some)
                .map_err(|error| unknown(format!("the answer cannot be read: {error}"))),
            Some(Wire::NotLeader(_)) => Ok(None),
            Some(Wire::Unknown(cause)) => Err(ProposeError::OutcomeUnknown { cause }),
            Some(Wire::Unreadable(cause)) => Err(ProposeError::Unreadable(cause)),
            None => Err(unknown("the answer is empty")),
        }
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

fn unknown(cause: impl Into<String>) -> ProposeError {
    ProposeError::OutcomeUnknown { cause: cause.into() }
}
