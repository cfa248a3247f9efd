//! Recovery from a lost quorum: what survivors report, and the plan that is decided from it.
//!
//! Half-guided, after CockroachDB: `collect` makes a [`RecoveryReport`] on every survivor,
//! [`decide`] makes one [`RecoveryPlan`] of all of them, `apply` carries it out where
//! [`RecoveryPlan::part_of`] allows it, and [`verify`] says whether everything is recovered. Both
//! documents carry a hash over their content: what was cut short or edited is refused.

mod decide;
mod fit;
mod render;
mod verify;

use std::collections::{BTreeMap, BTreeSet};

pub use decide::decide;
pub use fit::Part;
use quorate_model::{ClusterId, Epoch, Generation, LogIndex, NodeId, Term, Timestamp};
use quorate_state::{CodecError, Command, State};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
pub use verify::{Finding, RecoverySeen, verify};

/// The version of both documents that this binary writes, and the newest it reads.
pub const RECOVERY_FORMAT: u32 = 1;
/// So many characters of a plan's hash name it, when people type it.
pub const HASH_PREFIX: usize = 8;

/// A position in a log. Raft compares logs by the term of their last entry, then by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogPosition {
    /// The term of the entry.
    pub term: Term,
    /// Its index.
    pub index: LogIndex,
}

/// What a node has promised in elections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VoteSeen {
    /// The highest term it knows.
    pub term: Term,
    /// Whom it voted for in that term, or followed.
    pub node: NodeId,
    /// Whether that one was elected.
    pub elected: bool,
}

/// A master as the replicated state names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MasterNamed {
    /// Its name.
    pub name: String,
    /// `HOST:PORT` of its internal port.
    pub addr: String,
}

/// What the state holds when the whole log is applied, committed or not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateSummary {
    /// The living masters.
    pub masters: BTreeMap<NodeId, MasterNamed>,
    /// The removed nodes.
    pub tombstones: BTreeSet<NodeId>,
    /// The last node id that was given out.
    pub last_node_id: NodeId,
    /// The last generation that was given out.
    pub last_generation: Generation,
    /// When the newest change was made, by the clock of the master that took it.
    pub newest_change: Option<Timestamp>,
    /// How many nodes there are, masters and node managers.
    pub nodes: usize,
    /// How many components.
    pub components: usize,
    /// How many operations.
    pub operations: usize,
    /// How many settings.
    pub settings: usize,
    /// How many users.
    pub users: usize,
    /// Hex SHA-256 of the state: equal logs give equal states.
    pub sha256: String,
}

/// What one stopped master holds. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryReport {
    /// The version of this document.
    pub format: u32,
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// The epoch it is in.
    pub epoch: Epoch,
    /// The version of its binary.
    pub version: String,
    /// What it has promised in elections.
    pub vote: VoteSeen,
    /// The end of its log; `None` when it never received anything.
    pub last_log: Option<LogPosition>,
    /// The last entry that it knows to be on a majority. What it knows may be a little old.
    pub committed: Option<LogPosition>,
    /// The last entry applied to its state when it starts.
    pub applied: Option<LogIndex>,
    /// The last entry in its snapshot.
    pub snapshot: Option<LogIndex>,
    /// The voters: more than one set while a change of voters is under way.
    pub voters: Vec<BTreeSet<NodeId>>,
    /// Every member and its address, learners too.
    pub members: BTreeMap<NodeId, String>,
    /// What the state holds.
    pub state: StateSummary,
    /// Hex SHA-256 over everything above.
    pub digest: String,
}

impl StateSummary {
    /// What this state holds.
    ///
    /// # Errors
    /// Never for a state this binary can hold.
    pub fn of(state: &State) -> Result<Self, CodecError> {
        let metadata = &state.metadata;
        let masters = metadata.nodes.iter().filter(|(_, node)| node.roles.master);
        Ok(Self {
            masters: masters
                .map(|(id, node)| {
                    let (name, addr) = (node.name.to_string(), node.internal_addr.clone());
                    (*id, MasterNamed { name, addr })
                })
                .collect(),
            tombstones: metadata.tombstones.keys().copied().collect(),
            last_node_id: metadata.last_node_id,
            last_generation: metadata.last_generation,
            newest_change: state.audit.entries.last().map(|entry| entry.at),
            nodes: metadata.nodes.len(),
            components: metadata.components.len(),
            operations: metadata.operations.len(),
            settings: metadata.settings.len(),
            users: state.iam.users.len(),
            sha256: state.sha256()?,
        })
    }
}

impl RecoveryReport {
    /// Puts the digest in.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.digest = self.digest_of_content();
        self
    }

    /// Whether the content is what the digest was made of.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.digest == self.digest_of_content()
    }

    fn digest_of_content(&self) -> String {
        sha256_of(&Self { digest: String::new(), ..self.clone() })
    }
}

/// A master that survives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Survivor {
    /// Its id.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Where the others reach it.
    pub addr: String,
    /// What it had promised when it reported.
    pub vote: VoteSeen,
    /// Where its log ended when it reported.
    pub last_log: Option<LogPosition>,
}

/// A master that is given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WrittenOff {
    /// Its id, which is dead for ever.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Every address it was known at.
    pub addrs: BTreeSet<String>,
}

/// What is done about a lost quorum, and what that costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryPlan {
    /// The version of this document.
    pub format: u32,
    /// The cluster.
    pub cluster: ClusterId,
    /// The epoch that ends.
    pub ends: Epoch,
    /// The epoch that begins.
    pub begins: Epoch,
    /// The term that the first voter begins in: higher than any that a survivor knows.
    pub term: Term,
    /// The first voter, whose log goes on.
    pub keeper: Survivor,
    /// The others, which come back without what they hold, as learners.
    pub rejoin: Vec<Survivor>,
    /// The masters that are given up.
    pub written_off: Vec<WrittenOff>,
    /// How many voters there were.
    pub voters_before: usize,
    /// No id up to this one is given out again.
    pub last_node_id: NodeId,
    /// No generation up to this one is given out again.
    pub last_generation: Generation,
    /// Whether acknowledged changes may be lost.
    pub may_lose: bool,
    /// What is kept and what may be lost, in words.
    pub loss: Vec<String>,
    /// Hex SHA-256 over everything above.
    pub hash: String,
}

impl RecoveryPlan {
    /// Puts the hash in.
    #[must_use]
    fn sealed(mut self) -> Self {
        self.hash = self.hash_of_content();
        self
    }

    /// Whether the content is what the hash was made of.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.hash == self.hash_of_content()
    }

    /// What it changes in the state, at the end of the first voter's log.
    #[must_use]
    pub fn command(&self) -> Command {
        Command::Recover {
            epoch: self.begins,
            keeper: self.keeper.node,
            written_off: self.written_off.iter().map(|gone| gone.node).collect(),
            plan_sha256: self.hash.clone(),
            last_node_id: self.last_node_id,
            last_generation: self.last_generation,
        }
    }

    /// What people type to name the plan.
    #[must_use]
    pub fn short_hash(&self) -> &str {
        self.hash.get(..HASH_PREFIX).unwrap_or(&self.hash)
    }

    fn hash_of_content(&self) -> String {
        sha256_of(&Self { hash: String::new(), ..self.clone() })
    }
}

/// The documents hold nothing that JSON cannot, so the empty text of a failure is never hashed; if
/// it were, it would only make documents unequal to what they say.
pub(crate) fn sha256_of(document: &impl Serialize) -> String {
    let json = serde_json::to_vec(document).unwrap_or_default();
    quorate_model::hex(&Sha256::digest(json))
}
