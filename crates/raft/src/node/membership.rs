//! Changing who is a master: learners, voters, addresses, and who leads.
//!
//! Every change is conditional on the membership it was decided on, so that two deciders cannot
//! overwrite each other, and a change of voters that was interrupted is finished first.

use std::{future::Future, time::Duration};

use openraft::{
    BasicNode, ChangeMembers, Precondition,
    async_runtime::watch::WatchReceiver,
    errors::{ClientWriteError, RaftError as EngineError},
};
use quorate_model::{LogIndex, NodeId};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    RaftNode, Role,
    decide::{self, Decision},
};
use crate::{
    MembershipError,
    types::{Membership, StoredMembership},
};

/// How long a change may take.
const CHANGE: Duration = Duration::from_secs(30);
/// How long learners may take to be level with the log as it was when their promotion was asked.
const CATCH_UP: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);
/// A peer that has not answered for so many leases is not given the leadership.
const ALIVE_LEASES: u32 = 3;

impl RaftNode {
    /// Adds a master without a vote; it begins to receive the log. Doing it twice is doing it once.
    ///
    /// # Errors
    /// On any node but the leader, or when no majority confirms the change in time.
    pub async fn add_learner(&self, node: NodeId, addr: &str) -> Result<(), MembershipError> {
        self.change("the new learner's entry", |now| decide::add_learner(now, node, addr)).await
    }

    /// Gives learners a vote, all in one change of voters, after they are level with the log as it
    /// is now. Doing it twice is doing it once.
    ///
    /// # Errors
    /// As [`RaftNode::add_learner`]; also when a node is not a learner or does not catch up.
    pub async fn promote(&self, nodes: &[NodeId]) -> Result<(), MembershipError> {
        self.caught_up(nodes).await?;
        self.change("the new voters' entry", |now| decide::promote(now, nodes)).await
    }

    /// Takes nodes out of the membership: their votes in one change of voters, then the nodes.
    /// Doing it twice is doing it once. Whether the rest still is a safe quorum is the caller's
    /// judgement; tell the removed nodes, which are not told by Raft.
    ///
    /// # Errors
    /// As [`RaftNode::add_learner`]; also when this node itself is named (transfer the leadership
    /// first) or no voter would remain.
    pub async fn remove_voters(&self, nodes: &[NodeId]) -> Result<(), MembershipError> {
        self.exchange_voters(nodes, &[]).await?;
        self.forget(nodes).await
    }

    /// Takes the votes of some and gives votes to learners, all in one change of voters. Those
    /// that lose theirs stay learners. Doing it twice is doing it once. Whether the rest is a safe
    /// quorum is the caller's judgement.
    ///
    /// # Errors
    /// As [`RaftNode::remove_voters`] and [`RaftNode::promote`].
    pub async fn exchange_voters(
        &self,
        lose: &[NodeId],
        gain: &[NodeId],
    ) -> Result<(), MembershipError> {
        let this = self.inner.shared.options.node;
        if lose.contains(&this) {
            return Err(MembershipError::Refused(format!(
                "{this} leads; transfer the leadership before it is removed"
            )));
        }
        self.caught_up(gain).await?;
        self.change("the exchange of votes", |now| decide::exchange_votes(now, lose, gain)).await
    }

    /// Takes learners out of the membership: nothing is sent to them any more. Doing it twice is
    /// doing it once.
    ///
    /// # Errors
    /// As [`RaftNode::add_learner`]; also when one of them votes.
    pub async fn forget(&self, nodes: &[NodeId]) -> Result<(), MembershipError> {
        self.change("the removal of the nodes", |now| decide::remove_nodes(now, nodes)).await
    }

    /// Records a new address of a member. Peers make sure by themselves whom they talk to, so a
    /// wrong address delays a node but cannot split the cluster.
    ///
    /// # Errors
    /// As [`RaftNode::add_learner`]; also when the node is no member.
    pub async fn set_address(&self, node: NodeId, addr: &str) -> Result<(), MembershipError> {
        self.change("the new address's entry", |now| decide::set_address(now, node, addr)).await
    }

    /// A member said that it is reached at this address, and was known by its certificate: this
    /// node finds it there at once, before any leader can record it.
    pub fn told_address(&self, node: NodeId, addr: &str) {
        self.inner.shared.peers.addresses.told(node, addr);
    }

    /// Finishes a change of voters that a former leader left half-done. Nothing to do is fine.
    ///
    /// # Errors
    /// As [`RaftNode::add_learner`].
    pub async fn finish_membership_change(&self) -> Result<(), MembershipError> {
        self.change("the end of the change of voters", |_| Decision::Nothing).await
    }

    /// Hands the leadership to a voter that is alive and level, and waits until it leads. Returns
    /// how long that took.
    ///
    /// # Errors
    /// On any node but the leader; when the target is no voter, silent or behind; when it does not
    /// lead in time (another node, or this one, then leads again).
    pub async fn transfer_leader(&self, to: NodeId) -> Result<Duration, MembershipError> {
        let begun = Instant::now();
        let lease = self.inner.shared.options.lease();
        let status = self.status();
        self.require_leader()?;
        if to == status.node {
            return Ok(Duration::ZERO);
        }
        if !status.voters.contains_key(&to) {
            return Err(MembershipError::Refused(format!("{to} is not a voter")));
        }
        let alive = status
            .peers
            .get(&to)
            .and_then(|peer| peer.acked_ago)
            .is_some_and(|ago| ago < lease * ALIVE_LEASES);
        if !alive {
            return Err(MembershipError::Refused(format!("{to} has not answered lately")));
        }
        // The rest is written to it while it takes over; a long way behind it would not win.
        self.level(&[to], status.last_log, lease * 2).await?;
        let waited = lease * 4;
        let raft = &self.inner.shared.raft;
        raft.trigger().transfer_leader(to.0).await.map_err(|error| stopped(&error))?;
        poll(begun + waited, || self.status().leader == Some(to)).await.map_err(|()| {
            MembershipError::Timeout {
                what: format!("the transfer of the leadership to {to}"),
                waited,
            }
        })?;
        Ok(begun.elapsed())
    }

    fn require_leader(&self) -> Result<(), MembershipError> {
        let status = self.status();
        match status.role {
            Role::Leader => Ok(()),
            _ => Err(MembershipError::NotLeader { leader: status.leader }),
        }
    }

    async fn caught_up(&self, nodes: &[NodeId]) -> Result<(), MembershipError> {
        self.require_leader()?;
        let status = self.status();
        let learners: Vec<NodeId> =
            nodes.iter().copied().filter(|node| !status.voters.contains_key(node)).collect();
        if let Some(stranger) = learners.iter().find(|node| !status.learners.contains_key(node)) {
            return Err(MembershipError::Refused(format!("{stranger} is not a learner")));
        }
        self.level(&learners, status.last_log, CATCH_UP).await
    }

    /// Waits until the nodes have everything up to `target`.
    async fn level(
        &self,
        nodes: &[NodeId],
        target: Option<LogIndex>,
        waited: Duration,
    ) -> Result<(), MembershipError> {
        let is_level = || {
            let status = self.status();
            nodes
                .iter()
                .all(|node| status.peers.get(node).is_some_and(|peer| peer.matched >= target))
        };
        poll(Instant::now() + waited, is_level).await.map_err(|()| {
            let names: Vec<String> = nodes.iter().map(ToString::to_string).collect();
            MembershipError::Timeout {
                what: format!("catching up of {}", names.join(", ")),
                waited,
            }
        })
    }

    /// Decides on the present membership and changes it, again and again while others change it
    /// in between.
    async fn change(
        &self,
        what: &str,
        decide: impl Fn(&Membership) -> Decision + Send,
    ) -> Result<(), MembershipError> {
        let deadline = Instant::now() + CHANGE;
        let timeout = || MembershipError::Timeout { what: what.to_owned(), waited: CHANGE };
        while Instant::now() < deadline {
            self.require_leader()?;
            let membership = {
                let metrics = self.inner.shared.raft.metrics();
                let metrics = metrics.borrow_watched();
                metrics.membership_config.clone()
            };
            let unfinished = decide::unfinished(membership.membership());
            let was_unfinished = unfinished.is_some();
            let change = match unfinished {
                Some(change) => change,
                None => match decide(membership.membership()) {
                    Decision::Nothing => return Ok(()),
                    Decision::Refuse(reason) => return Err(MembershipError::Refused(reason)),
                    Decision::Change(change) => change,
                },
            };
            let attempt = self.change_once(change, &membership);
            let done = timeout_at(deadline, attempt).await.map_err(|_| timeout())??;
            if done && !was_unfinished {
                return Ok(());
            }
            sleep(POLL).await;
        }
        Err(timeout())
    }

    /// One attempt; `false` when the membership has changed since, or another change is under way.
    fn change_once(
        &self,
        change: ChangeMembers<u64, BasicNode>,
        decided_on: &StoredMembership,
    ) -> impl Future<Output = Result<bool, MembershipError>> + Send {
        let raft = self.inner.shared.raft.clone();
        let unchanged =
            Precondition::LastMembershipLogId { last_membership_log_id: *decided_on.log_id() };
        async move {
            match raft.change_membership_if(change, true, [unchanged]).await {
                Ok(_) => Ok(true),
                Err(EngineError::APIError(
                    ClientWriteError::PreconditionFailed(_)
                    | ClientWriteError::LogEntryDiscarded(_)
                    | ClientWriteError::ChangeMembershipError(
                        openraft::errors::ChangeMembershipError::InProgress(_)
                        | openraft::errors::ChangeMembershipError::UncommittedLeaderLog(_),
                    ),
                )) => Ok(false),
                Err(EngineError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                    Err(MembershipError::NotLeader { leader: forward.leader_id.map(NodeId) })
                }
                Err(EngineError::APIError(error)) => {
                    Err(MembershipError::Refused(error.to_string()))
                }
                Err(EngineError::Fatal(error)) => Err(stopped(&error)),
            }
        }
    }
}

fn stopped(error: &impl ToString) -> MembershipError {
    MembershipError::Stopped(error.to_string())
}

/// Waits until the condition holds.
async fn poll(deadline: Instant, condition: impl Fn() -> bool) -> Result<(), ()> {
    while !condition() {
        if Instant::now() >= deadline {
            return Err(());
        }
        sleep(POLL).await;
    }
    Ok(())
}
