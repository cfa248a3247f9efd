//! What the engine does to the masters' own membership and leadership, and about nodes that go.
//!
//! Each is ensure-shaped: it looks first, and an action that a former leader began is finished.

use std::{collections::BTreeSet, time::Duration};

use quorate_model::{NodeAction, NodeId, Refusal, VoterAction, codes};
use quorate_operations::ActorError;
use quorate_raft::MembershipError;
use tokio::time::{Instant, sleep, timeout};
use tracing::info;

use super::leadership::present_heirs;
use crate::Control;

/// For how long a node that is removed is waited for to learn of it, while it answers.
const LAST_WORD: Duration = Duration::from_secs(2);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// For how long a hand-over is tried that does not succeed at once, and how often.
const HAND_OVER: Duration = Duration::from_secs(15);
const HAND_OVER_AGAIN: Duration = Duration::from_millis(200);

/// Done with what was seen, or not done for a reason.
type Acted = Result<Result<String, Refusal>, ActorError>;

impl Control {
    /// Acts on the masters' own membership or leadership.
    pub(super) async fn change_voters(
        &self,
        node: NodeId,
        action: &VoterAction,
        deadline: Duration,
    ) -> Acted {
        let act = async {
            match action {
                VoterAction::TransferLeader => self.lead_away_from(node).await,
                VoterAction::Lead if node == self.node() => {
                    Ok(Ok(format!("`{}` leads", self.name_of(node))))
                }
                VoterAction::Lead => self.hand_leadership_to(node).await,
                VoterAction::Demote => self.without_vote(node, None).await,
                VoterAction::Replace { by } => self.without_vote(node, Some(*by)).await,
            }
        };
        timeout(deadline, act).await.unwrap_or_else(|_| {
            Ok(Err(failed("the masters did not agree in time")
                .hint("see which masters answer: quorate status; then resume the operation")))
        })
    }

    /// Does about a node what remains to be done once it is decided.
    pub(super) async fn settle_node(
        &self,
        node: NodeId,
        action: &NodeAction,
        deadline: Duration,
    ) -> Acted {
        match action {
            NodeAction::Order { .. } => Ok(Ok("ordered".to_owned())),
            NodeAction::Rename { name } => Ok(Ok(format!("{node} is called `{name}`"))),
            NodeAction::Remove => {
                let forget = async {
                    self.await_last_word(node).await;
                    self.without_member(node).await
                };
                timeout(deadline, forget).await.unwrap_or_else(|_| {
                    Ok(Err(failed("the masters did not agree in time").hint(
                        "see which masters answer: quorate status; then resume the operation",
                    )))
                })
            }
        }
    }

    /// The masters' membership knows a removed node no more. It had no vote to begin with, unless
    /// autopilot was giving it one when its removal was decided.
    async fn without_member(&self, node: NodeId) -> Acted {
        loop {
            if let Err(refusal) = self.without_vote(node, None).await? {
                return Ok(Err(refusal));
            }
            match self.raft().forget(&[node]).await {
                Ok(()) => {
                    info!(%node, "a removed node is forgotten");
                    return Ok(Ok(format!("a tombstone stands for {node}")));
                }
                // It got the vote in between.
                Err(MembershipError::Refused(_))
                    if self.raft().status().voters.contains_key(&node) =>
                {
                    sleep(LOOK_EVERY).await;
                }
                Err(error) => return refused(error),
            }
        }
    }

    /// Another master leads, not this one.
    async fn lead_away_from(&self, node: NodeId) -> Acted {
        if self.node() != node {
            return Ok(Ok(format!("`{}` leads", self.name_of(self.node()))));
        }
        self.hand_leadership_away().await
    }

    /// Hands the leadership to whoever is best. A leader that was elected a moment ago has not heard of
    /// the others yet, so that they are waited for.
    async fn hand_leadership_away(&self) -> Acted {
        let until = Instant::now() + HAND_OVER;
        loop {
            while present_heirs(self).is_empty() && Instant::now() < until {
                if self.leading().is_none() {
                    return Err(ActorError::NotLeader);
                }
                sleep(LOOK_EVERY).await;
            }
            match self.hand_over(until.saturating_duration_since(Instant::now())).await {
                // The next leader goes on with the step.
                Ok(Some(_)) => return Err(ActorError::NotLeader),
                // The only heir fell silent between two looks.
                Ok(None) if Instant::now() < until => {}
                Ok(None) => return Ok(Err(no_heir())),
                // Whoever did not take it has fallen silent since: it may come back.
                Err(MembershipError::Refused(_) | MembershipError::Timeout { .. })
                    if Instant::now() < until => {}
                Err(error) => return refused(error),
            }
        }
    }

    /// Hands the leadership to this one. After that this master leads no longer, and the next leader
    /// goes on with the step.
    async fn hand_leadership_to(&self, heir: NodeId) -> Acted {
        let until = Instant::now() + HAND_OVER;
        loop {
            match self.raft().transfer_leader(heir).await {
                Ok(took) => {
                    info!(to = %heir, took_ms = took.as_millis(), "leadership handed over");
                    return Err(ActorError::NotLeader);
                }
                // On a busy host the heir may have been slow to answer for a moment.
                Err(MembershipError::Refused(_) | MembershipError::Timeout { .. })
                    if Instant::now() < until =>
                {
                    sleep(HAND_OVER_AGAIN).await;
                }
                Err(error) => return refused(error),
            }
        }
    }

    /// `node` votes no more; its vote goes to `heir`, if there is one.
    async fn without_vote(&self, node: NodeId, heir: Option<NodeId>) -> Acted {
        let voters: BTreeSet<NodeId> = self.raft().status().voters.into_keys().collect();
        // A leader does not take its own vote away: another one does. That it leads without a vote
        // happens too, for a moment: elected by the old voters while a change of them that a
        // former leader began was under way, it finished that change itself.
        if node == self.node() {
            // The only voter: the heir votes beside it first, and leads then.
            if let Some(heir) = heir
                && voters.iter().eq([&node])
            {
                return match self.raft().promote(&[heir]).await {
                    Ok(()) => self.hand_leadership_to(heir).await,
                    Err(error) => refused(error),
                };
            }
            return self.hand_leadership_away().await;
        }
        let gains: Vec<NodeId> = heir.into_iter().collect();
        match self.raft().exchange_voters(&[node], &gains).await {
            Ok(()) => {
                let voters = self.raft().status().voters.len();
                Ok(Ok(format!("{voters} masters vote, `{}` does not", self.name_of(node))))
            }
            Err(error) => refused(error),
        }
    }

    /// Gives a node that is removed the chance to read so in the log, before nothing is sent to it
    /// any more. A silent one will be told when it calls.
    async fn await_last_word(&self, node: NodeId) {
        let target = self.raft().status().committed;
        let until = Instant::now() + LAST_WORD;
        while Instant::now() < until {
            let status = self.raft().status();
            let waits = status.peers.get(&node).is_some_and(|peer| {
                peer.matched < target
                    && peer.acked_ago.is_some_and(|ago| ago < quorate_plan::MASTER_FRESH_FOR)
            });
            if !waits {
                break;
            }
            sleep(LOOK_EVERY).await;
        }
        // What it has is not applied yet: the next heartbeat tells it that it is committed.
        sleep(LOOK_EVERY * 10).await;
    }

    fn name_of(&self, node: NodeId) -> String {
        let state = self.state();
        state.metadata.nodes.get(&node).map_or_else(|| node.to_string(), |it| it.name.to_string())
    }
}

fn refused(error: MembershipError) -> Acted {
    match error {
        MembershipError::NotLeader { .. } | MembershipError::Stopped(_) => {
            Err(ActorError::NotLeader)
        }
        MembershipError::Refused(_) | MembershipError::Timeout { .. } => {
            Ok(Err(failed(&error.to_string())
                .hint("see how the masters are: quorate status; then resume the operation")))
        }
    }
}

fn no_heir() -> Refusal {
    failed("no other voting master answers and has caught up")
        .hint("bring one back first: quorate status; then resume the operation")
}

fn failed(cause: &str) -> Refusal {
    Refusal::new(codes::MASTERS_CHANGE_FAILED, "the masters could not be changed").cause(cause)
}
