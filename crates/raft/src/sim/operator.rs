//! The simulated operator: changes who is a master and who leads, with the product's own
//! decisions, while everything goes wrong around it. What it cannot finish in time it leaves, as a
//! leader that dies does.

use std::time::Duration;

use openraft::{
    BasicNode, ChangeMembers, Precondition, async_runtime::watch::WatchReceiver,
    type_config::TypeConfigExt,
};
use quorate_model::NodeId;

use super::{SimConfig as C, SimRaft, world::World};
use crate::{
    node::decide::{self, Decision},
    types::Membership,
};

/// How long it tries one wish, where nothing else is said.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// A new master, whose process runs already: a learner first, a voter when it has caught up.
    Join(u64),
    /// A master less.
    Remove(u64),
    /// Another leader.
    Transfer(u64),
}

/// Who takes part, as the leader sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Members {
    pub(super) voters: Vec<u64>,
    pub(super) learners: Vec<u64>,
}

impl Members {
    fn of(membership: &Membership) -> Self {
        let voters: Vec<u64> = membership.voter_ids().collect();
        let learners =
            membership.nodes().map(|(id, _)| *id).filter(|id| !voters.contains(id)).collect();
        Self { voters, learners }
    }
}

pub(super) fn members(raft: &SimRaft) -> Members {
    Members::of(raft.metrics().borrow_watched().membership_config.membership())
}

/// Tries until the wish is true, or gives up. Whether it is true.
pub(super) async fn fulfil(world: World, wish: Wish, patience: Duration) -> bool {
    let trying = async {
        loop {
            // Whoever says that it leads is believed; if it is wrong, the attempt comes to nothing.
            let leader = world.leader();
            if let Some(leader) = leader
                && let Ok(true) = C::timeout(ATTEMPT, attempt(&leader, wish)).await
            {
                return;
            }
            C::sleep(PAUSE).await;
        }
    };
    let done = C::timeout(patience, trying).await.is_ok();
    let end = if done { "done" } else { "given up" };
    world.note(format_args!("{wish:?} {end}"));
    done
}

/// One attempt at one step; true when nothing is left to do.
async fn attempt(leader: &SimRaft, wish: Wish) -> bool {
    let now = leader.metrics().borrow_watched().membership_config.clone();
    let membership = now.membership();
    let decision = match (decide::unfinished(membership), wish) {
        (Some(change), _) => Decision::Change(change),
        (None, Wish::Transfer(to)) => return transfer(leader, to).await,
        (None, Wish::Join(node)) => match decide_join(leader, membership, node) {
            Some(decision) => decision,
            None => return false,
        },
        (None, Wish::Remove(node)) if node == *leader.node_id() => {
            // As the product does: the leadership goes first.
            let heir = Members::of(membership).voters.into_iter().find(|&voter| voter != node);
            if let Some(heir) = heir {
                transfer(leader, heir).await;
            }
            return false;
        }
        (None, Wish::Remove(node)) => {
            match decide::exchange_votes(membership, &[NodeId(node)], &[]) {
                Decision::Nothing => decide::remove_nodes(membership, &[NodeId(node)]),
                decision => decision,
            }
        }
    };
    match decision {
        Decision::Nothing => true,
        Decision::Refuse(_) => false,
        Decision::Change(change) => {
            let unchanged =
                Precondition::LastMembershipLogId { last_membership_log_id: *now.log_id() };
            change_once(leader, change, unchanged).await;
            false
        }
    }
}

/// `None` while the learner is behind.
fn decide_join(leader: &SimRaft, membership: &Membership, node: u64) -> Option<Decision> {
    match decide::add_learner(membership, NodeId(node), &format!("n{node}")) {
        Decision::Nothing => {}
        decision => return Some(decision),
    }
    let metrics = leader.metrics();
    let metrics = metrics.borrow_watched();
    let end = metrics.last_log_index?;
    let has = metrics.replication.as_ref()?.get(&node)?.as_ref()?.index;
    let is_voter = membership.voter_ids().any(|voter| voter == node);
    (is_voter || has + 1 >= end).then(|| decide::promote(membership, &[NodeId(node)]))
}

async fn change_once(
    leader: &SimRaft,
    change: ChangeMembers<u64, BasicNode>,
    unchanged: Precondition<C>,
) {
    // Refused, lost or done: the next look at the membership tells.
    drop(leader.change_membership_if(change, true, [unchanged]).await);
}

async fn transfer(leader: &SimRaft, to: u64) -> bool {
    if *leader.node_id() == to {
        return true;
    }
    drop(leader.trigger().transfer_leader(to).await);
    C::sleep(Duration::from_millis(500)).await;
    false
}
