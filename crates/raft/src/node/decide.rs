//! Which change of the membership a wish needs, decided on the membership as it is. Pure, so that
//! the simulator tries the very same decisions.

use std::collections::{BTreeMap, BTreeSet};

use openraft::{BasicNode, ChangeMembers};
use quorate_model::NodeId;

use crate::types::Membership;

/// What a decision about the membership is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is as wanted already.
    Nothing,
    Change(ChangeMembers<u64, BasicNode>),
    Refuse(String),
}

/// What must be done before anything else: a change of voters that a former leader left half-done
/// goes on towards what it was to become.
pub(crate) fn unfinished(membership: &Membership) -> Option<ChangeMembers<u64, BasicNode>> {
    let configs = membership.get_joint_config();
    let target = configs.last().filter(|_| configs.len() > 1)?;
    Some(ChangeMembers::ReplaceAllVoters(target.clone()))
}

/// A member without a vote, at this address.
pub(crate) fn add_learner(membership: &Membership, node: NodeId, addr: &str) -> Decision {
    match membership.get_node(&node.0) {
        Some(known) if known.addr == addr => Decision::Nothing,
        Some(_) => Decision::Change(ChangeMembers::SetNodes(one(node, addr))),
        None => Decision::Change(ChangeMembers::AddNodes(one(node, addr))),
    }
}

/// Votes for learners, all in one change.
pub(crate) fn promote(membership: &Membership, nodes: &[NodeId]) -> Decision {
    exchange_votes(membership, &[], nodes)
}

/// No votes any more for some, votes for learners, all in one change.
pub(crate) fn exchange_votes(
    membership: &Membership,
    lose: &[NodeId],
    gain: &[NodeId],
) -> Decision {
    let lose: BTreeSet<u64> = lose.iter().map(|node| node.0).collect();
    let voters: BTreeSet<u64> = membership.voter_ids().collect();
    let wanted: BTreeSet<u64> = voters
        .iter()
        .copied()
        .chain(gain.iter().map(|node| node.0))
        .filter(|id| !lose.contains(id))
        .collect();
    match wanted.iter().find(|id| membership.get_node(id).is_none()) {
        Some(id) => Decision::Refuse(format!("n{id} is not a learner")),
        None if wanted == voters => Decision::Nothing,
        None if wanted.is_empty() => Decision::Refuse("no voter would remain".to_owned()),
        None => Decision::Change(ChangeMembers::ReplaceAllVoters(wanted)),
    }
}

/// These nodes, which have no votes any more, are no members either.
pub(crate) fn remove_nodes(membership: &Membership, nodes: &[NodeId]) -> Decision {
    let present: BTreeSet<u64> =
        nodes.iter().map(|node| node.0).filter(|id| membership.get_node(id).is_some()).collect();
    if present.is_empty() {
        Decision::Nothing
    } else if let Some(id) = membership.voter_ids().find(|id| present.contains(id)) {
        Decision::Refuse(format!("n{id} votes still"))
    } else {
        Decision::Change(ChangeMembers::RemoveNodes(present))
    }
}

/// A member's new address.
pub(crate) fn set_address(membership: &Membership, node: NodeId, addr: &str) -> Decision {
    match membership.get_node(&node.0) {
        None => Decision::Refuse(format!("{node} is not a member")),
        Some(known) if known.addr == addr => Decision::Nothing,
        Some(_) => Decision::Change(ChangeMembers::SetNodes(one(node, addr))),
    }
}

fn one(node: NodeId, addr: &str) -> BTreeMap<u64, BasicNode> {
    BTreeMap::from([(node.0, BasicNode::new(addr))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership(configs: &[&[u64]], learners: &[u64]) -> Membership {
        let configs: Vec<BTreeSet<u64>> =
            configs.iter().map(|voters| voters.iter().copied().collect()).collect();
        let nodes: BTreeMap<u64, BasicNode> = configs
            .iter()
            .flatten()
            .chain(learners)
            .map(|&id| (id, BasicNode::new(format!("n{id}"))))
            .collect();
        Membership::new(configs, nodes).unwrap()
    }

    fn voters(ids: &[u64]) -> Decision {
        Decision::Change(ChangeMembers::ReplaceAllVoters(ids.iter().copied().collect()))
    }

    #[test]
    fn wishes_become_changes_as_in_the_table() {
        let now = membership(&[&[1, 2, 3]], &[4]);
        let nodes = |ids: &[u64]| ids.iter().map(|&id| NodeId(id)).collect::<Vec<_>>();
        let table = [
            (add_learner(&now, NodeId(4), "n4"), Decision::Nothing),
            (
                add_learner(&now, NodeId(5), "n5"),
                Decision::Change(ChangeMembers::AddNodes(one(NodeId(5), "n5"))),
            ),
            (promote(&now, &nodes(&[4])), voters(&[1, 2, 3, 4])),
            (promote(&now, &nodes(&[2])), Decision::Nothing),
            (promote(&now, &nodes(&[5])), Decision::Refuse("n5 is not a learner".to_owned())),
            (exchange_votes(&now, &nodes(&[3]), &nodes(&[4])), voters(&[1, 2, 4])),
            (exchange_votes(&now, &nodes(&[3, 4]), &[]), voters(&[1, 2])),
            (exchange_votes(&now, &nodes(&[4]), &[]), Decision::Nothing),
            (
                exchange_votes(&now, &nodes(&[1, 2, 3]), &[]),
                Decision::Refuse("no voter would remain".to_owned()),
            ),
            (
                remove_nodes(&now, &nodes(&[4, 5])),
                Decision::Change(ChangeMembers::RemoveNodes(BTreeSet::from([4]))),
            ),
            (remove_nodes(&now, &nodes(&[5])), Decision::Nothing),
            (remove_nodes(&now, &nodes(&[3])), Decision::Refuse("n3 votes still".to_owned())),
            (set_address(&now, NodeId(5), "n5"), Decision::Refuse("n5 is not a member".to_owned())),
        ];
        for (decided, expected) in table {
            assert_eq!(decided, expected);
        }
    }

    #[test]
    fn a_joint_configuration_goes_on_to_its_second_half() {
        assert_eq!(unfinished(&membership(&[&[1, 2, 3]], &[])), None);
        let joint = membership(&[&[1], &[1, 2, 3]], &[]);
        assert_eq!(unfinished(&joint).map(Decision::Change), Some(voters(&[1, 2, 3])));
    }
}
