//! Between openraft's values and this crate's protobuf, both ways; the wire uses the same.

use std::collections::{BTreeMap, BTreeSet};

use openraft::{BasicNode, EntryPayload, vote::RaftLeaderIdExt};

use super::RecordError;
use crate::{
    proto::record,
    types::{Entry, LeaderId, LogId, Membership, Replicated, SnapshotMeta, StoredMembership, Vote},
};

pub(crate) fn log_id_to(id: &LogId) -> record::LogId {
    record::LogId { term: *id.leader_id, index: id.index }
}

pub(crate) fn log_id_from(wire: &record::LogId) -> LogId {
    // The committed leader id is the term alone; the node is not kept.
    LogId::new(LeaderId::new_committed(wire.term, 0), wire.index)
}

pub(crate) fn vote_to(vote: &Vote) -> record::Vote {
    record::Vote {
        term: vote.leader_id.term,
        node: vote.leader_id.voted_for,
        committed: vote.committed,
    }
}

pub(crate) fn vote_from(wire: &record::Vote) -> Vote {
    if wire.committed {
        Vote::new_committed(wire.term, wire.node)
    } else {
        Vote::new(wire.term, wire.node)
    }
}

pub(crate) fn membership_to(membership: &Membership) -> record::Membership {
    record::Membership {
        voters: membership
            .get_joint_config()
            .iter()
            .map(|set| record::VoterSet { nodes: set.iter().copied().collect() })
            .collect(),
        members: membership
            .nodes()
            .map(|(&node, info)| record::Member { node, addr: info.addr.clone() })
            .collect(),
    }
}

pub(crate) fn membership_from(wire: record::Membership) -> Result<Membership, RecordError> {
    let voters: Vec<BTreeSet<u64>> =
        wire.voters.into_iter().map(|set| set.nodes.into_iter().collect()).collect();
    let members: BTreeMap<u64, BasicNode> =
        wire.members.into_iter().map(|member| (member.node, BasicNode::new(member.addr))).collect();
    if voters.is_empty() && members.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(voters, members).map_err(|error| RecordError::Membership(error.to_string()))
}

pub(crate) fn entry_to(entry: &Entry) -> record::Entry {
    use record::entry::Payload as Wire;
    let payload = match &entry.payload {
        EntryPayload::Blank => Wire::Blank(record::Blank {}),
        EntryPayload::Normal(proposal) => Wire::Proposal(proposal.bytes().clone()),
        EntryPayload::Membership(membership) => Wire::Membership(membership_to(membership)),
    };
    record::Entry { id: Some(log_id_to(&entry.log_id)), payload: Some(payload) }
}

pub(crate) fn entry_from(wire: record::Entry) -> Result<Entry, RecordError> {
    use record::entry::Payload as Wire;
    let log_id = log_id_from(&wire.id.ok_or(RecordError::Missing("log id"))?);
    let payload = match wire.payload.ok_or(RecordError::Missing("payload"))? {
        Wire::Blank(_) => EntryPayload::Blank,
        Wire::Proposal(bytes) => EntryPayload::Normal(Replicated::from_bytes(bytes)),
        Wire::Membership(membership) => EntryPayload::Membership(membership_from(membership)?),
    };
    Ok(Entry { log_id, payload })
}

pub(crate) fn snapshot_meta_to(meta: &SnapshotMeta) -> record::SnapshotMeta {
    record::SnapshotMeta {
        last: meta.last_log_id.as_ref().map(log_id_to),
        membership_at: meta.last_membership.log_id().as_ref().map(log_id_to),
        membership: Some(membership_to(meta.last_membership.membership())),
    }
}

pub(crate) fn snapshot_meta_from(wire: record::SnapshotMeta) -> Result<SnapshotMeta, RecordError> {
    let membership = wire.membership.map(membership_from).transpose()?.unwrap_or_default();
    Ok(SnapshotMeta {
        last_log_id: wire.last.as_ref().map(log_id_from),
        last_membership: StoredMembership::new(
            wire.membership_at.as_ref().map(log_id_from),
            membership,
        ),
    })
}
