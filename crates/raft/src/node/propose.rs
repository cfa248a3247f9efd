//! Proposals from any master: applied here when it leads, forwarded to the leader otherwise.
//!
//! A proposal is sent again only when it is certain that nothing was appended. Everything else
//! is an unknown outcome, which only the client can resolve, by repeating its request id.

use std::time::Duration;

use quorate_state::{Outcome, Proposal};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    RaftNode, Shared,
    forward::{Attempt, unknown},
    local::NotDone,
};
use crate::{ProposeError, types::Replicated};

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
    async fn propose_once(&self, replicated: &Replicated, deadline: Instant) -> Attempt {
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
            Some(_) => self.forward(replicated, deadline).await,
        }
    }
}
