//! The one choice of openraft's type parameters, and short names for what follows from it.
//!
//! Standard Raft leader ids: at most one leader in a term, because the term is what leaders' duties
//! and node managers are fenced by. Storage and state machine are generic over the async runtime
//! only, so that the simulator runs the same code.

use std::{fmt, sync::Arc};

use openraft::{BasicNode, RaftTypeConfig, impls::leader_id_std, vote::RaftLeaderId};
use prost::bytes::Bytes;
use quorate_state::{CodecError, Outcome, Proposal};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) type LeaderId = leader_id_std::LeaderId<u64, u64>;
pub(crate) type CommittedLeaderId = <LeaderId as RaftLeaderId>::Committed;
pub(crate) type LogId = openraft::LogId<CommittedLeaderId>;
pub(crate) type Vote = openraft::Vote<LeaderId>;
pub(crate) type Membership = openraft::Membership<u64, BasicNode>;
pub(crate) type StoredMembership = openraft::StoredMembership<CommittedLeaderId, u64, BasicNode>;
pub(crate) type Payload = openraft::EntryPayload<Replicated, u64, BasicNode>;
pub(crate) type Entry = openraft::Entry<CommittedLeaderId, Payload>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<CommittedLeaderId, u64, BasicNode>;
pub(crate) type Snapshot = openraft::Snapshot<CommittedLeaderId, u64, BasicNode, Bytes>;

openraft::declare_raft_types!(
    /// The product's configuration: tokio.
    pub(crate) TokioConfig:
        D = Replicated,
        R = Answer,
        LeaderId = LeaderId,
        AsyncRuntime = openraft_rt_tokio::TokioRuntime,
);

/// Any configuration of ours: everything is fixed but the async runtime.
pub(crate) trait Config:
    RaftTypeConfig<
        D = Replicated,
        R = Answer,
        NodeId = u64,
        Node = BasicNode,
        Term = u64,
        LeaderId = LeaderId,
        Vote = Vote,
        Payload = Payload,
        Entry = Entry,
    >
{
}

impl<C> Config for C where
    C: RaftTypeConfig<
            D = Replicated,
            R = Answer,
            NodeId = u64,
            Node = BasicNode,
            Term = u64,
            LeaderId = LeaderId,
            Vote = Vote,
            Payload = Payload,
            Entry = Entry,
        >
{
}

/// A proposal on its way through the log: its bytes, encoded once by the proposer, and on the
/// leader also the value itself, so that it is not decoded again.
#[derive(Clone, Default)]
pub(crate) struct Replicated {
    bytes: Bytes,
    decoded: Option<Arc<Proposal>>,
}

impl Replicated {
    pub(crate) fn new(proposal: Proposal) -> Result<Self, CodecError> {
        let proposal = proposal.with_digest();
        let bytes = Bytes::from(proposal.encode()?);
        Ok(Self { bytes, decoded: Some(Arc::new(proposal)) })
    }

    /// Takes bytes that were checked by whoever appended them.
    pub(crate) const fn from_bytes(bytes: Bytes) -> Self {
        Self { bytes, decoded: None }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn proposal(&self) -> Result<Arc<Proposal>, CodecError> {
        match &self.decoded {
            Some(proposal) => Ok(Arc::clone(proposal)),
            None => Proposal::decode(&self.bytes).map(Arc::new),
        }
    }
}

impl PartialEq for Replicated {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

/// Only the length: proposals hold secrets, and openraft logs entries.
impl fmt::Debug for Replicated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proposal of {} bytes", self.bytes.len())
    }
}

impl fmt::Display for Replicated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

// openraft asks for serde of its parameters; nothing of ours goes through it (docs/adr/0002).
impl Serialize for Replicated {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.bytes.as_ref().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Replicated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_bytes(Vec::<u8>::deserialize(deserializer)?.into()))
    }
}

/// What applying an entry gave; `None` for entries that are not proposals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer(pub(crate) Option<Outcome>);
