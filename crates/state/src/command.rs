//! Everything that can change the state, and the envelope it travels in.

use std::sync::Arc;

use quorate_model::{
    ClusterId, Epoch, Generation, NodeId, NodeName, NodeRoles, OperationId, OrderReport, Plan,
    Refusal, RequestId, Revision, SettingKey, Term, Timestamp, TokenId, UserName,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::{Enrolment, JoinToken, MasterPolicy, Session, User, recent::command_digest};

/// A command with what the proposer chose for it: the moment, the principal, the request id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Makes a retry recognisable: the same id of the same principal is applied once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// When it was proposed, by the proposer's clock.
    pub at: Timestamp,
    /// Who asked: `user:admin`, `node:n1`, `system`.
    pub principal: String,
    /// The newest reset that was known where a person who logged in was let through. What was
    /// allowed before a later one is not allowed after it. `None` where no login decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_after: Option<Generation>,
    /// What shall change.
    pub command: Command,
    /// Tells the command apart from others under the same request id. It is made once, by the
    /// proposer, since masters of different versions encode the same command differently, and yet
    /// must agree on what is a repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<ByteArray<16>>,
}

impl Proposal {
    /// The same with the digest of its command, if it has a request id.
    #[must_use]
    pub fn with_digest(mut self) -> Self {
        if self.request_id.is_some() && self.digest.is_none() {
            self.digest = Some(command_digest(&self.command));
        }
        self
    }
}

/// A node about to be enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewNode {
    /// Its name.
    pub name: NodeName,
    /// What it becomes.
    pub roles: NodeRoles,
    /// The host or IP address others reach it at.
    pub address: String,
    /// `HOST:PORT` of its internal port, or empty.
    #[serde(default)]
    pub internal_addr: String,
    /// `HOST:PORT` of its admin port, or empty.
    #[serde(default)]
    pub admin_addr: String,
    /// The version of its binary.
    #[serde(default)]
    pub version: String,
    /// The newest order that was obeyed before its process began.
    #[serde(default)]
    pub obeyed: Generation,
    /// What became of the newest order that its process took up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_report: Option<OrderReport>,
    /// The newest feature level its binary reads; 0 from binaries that did not say so, which read
    /// level 1.
    #[serde(default)]
    pub reads_level: u32,
}

/// A change of the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// The first command of a cluster.
    CreateCluster {
        /// The cluster's identity.
        cluster: ClusterId,
        /// The authority's certificate, PEM.
        ca_cert_pem: String,
        /// The authority, sealed.
        #[serde(with = "serde_bytes")]
        sealed_ca: Vec<u8>,
        /// The first master.
        node: NewNode,
        /// The first user's name.
        admin: UserName,
        /// The first user.
        admin_user: User,
        /// What every binary must be able to read from the start on.
        #[serde(default = "first_feature_level")]
        feature_level: u32,
    },
    /// Set a setting.
    PutSetting {
        /// The key.
        key: SettingKey,
        /// The value as compact JSON text.
        value: Arc<str>,
        /// Only when the key has this revision now (0: only when it does not exist).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expect: Option<Revision>,
    },
    /// Delete a setting.
    DeleteSetting {
        /// The key.
        key: SettingKey,
        /// Only when the key has this revision now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expect: Option<Revision>,
    },
    /// Record a join token.
    CreateToken {
        /// Its id.
        id: TokenId,
        /// The token without its secret.
        token: JoinToken,
    },
    /// Make a join token unusable.
    RevokeToken {
        /// Its id.
        id: TokenId,
    },
    /// Spend a join token: the node exists from here on.
    Enrol {
        /// The token.
        token: TokenId,
        /// Hex SHA-256 of the joiner's certificate request, which holds its public key.
        key_sha256: String,
        /// The node.
        node: NewNode,
    },
    /// A joiner asks to be let in by a token whose bearers a person must approve.
    RequestEnrolment {
        /// The token.
        token: TokenId,
        /// Who asks.
        enrolment: Enrolment,
    },
    /// A person lets a joiner in: it may spend the token now.
    ApproveEnrolment {
        /// The token.
        token: TokenId,
        /// The digest of the key that the person has seen, so that no other is let in.
        key_sha256: String,
    },
    /// A person turns a joiner away; the token is of no use any more.
    RefuseEnrolment {
        /// The token.
        token: TokenId,
    },
    /// Let masters vote, or keep them as learners.
    SetVotes {
        /// The masters.
        nodes: Vec<NodeId>,
        /// Whether they shall vote.
        votes: bool,
        /// Why they are kept as learners.
        #[serde(default)]
        reason: String,
        /// Why an even number of voters is allowed from now on, when it shall be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        even_because: Option<String>,
    },
    /// Allow an even number of voters, or withdraw that.
    AllowEvenVoters {
        /// Why; `None` withdraws it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<String>,
    },
    /// Prefer a master as leader.
    SetPriority {
        /// The master.
        id: NodeId,
        /// Its priority; the highest is preferred.
        priority: u32,
    },
    /// Say how autopilot and the choice of the leader behave.
    SetMasterPolicy {
        /// How.
        policy: MasterPolicy,
    },
    /// Record where a node is reached now, and that it was started anew.
    UpdateNode {
        /// The node.
        id: NodeId,
        /// Its new particulars; name and roles are not changed.
        node: NewNode,
    },
    /// A master says what became of an order to its process.
    ReportOrder {
        /// The master.
        id: NodeId,
        /// What became of it.
        report: OrderReport,
    },
    /// Record which binary a node manager runs, as it reported.
    RecordBinary {
        /// The node.
        id: NodeId,
        /// The version.
        version: String,
        /// The newest feature level it reads.
        reads_level: u32,
    },
    /// Begin a session.
    CreateSession {
        /// Hex SHA-256 of the session token.
        token_sha256: String,
        /// The session.
        session: Session,
    },
    /// End a session.
    EndSession {
        /// Hex SHA-256 of the session token.
        token_sha256: String,
    },
    /// Create or change a user.
    PutUser {
        /// The login name.
        name: UserName,
        /// The user.
        user: User,
        /// Only while the user has this password's hash: that of the password which was given with
        /// the new one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        former: Option<String>,
    },
    /// Record an operation and let it begin.
    SubmitOperation {
        /// Its id.
        id: OperationId,
        /// Its plan.
        plan: Plan,
        /// The key by which the asker repeats the request. It is part of the command and not of
        /// the envelope, because a repeat is planned anew and so makes another command.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<RequestId>,
    },
    /// A leader begins a step, or begins it again.
    BeginStep {
        /// The operation.
        id: OperationId,
        /// The step's position.
        step: u32,
        /// The leader's term.
        term: Term,
    },
    /// A leader saw a step done.
    FinishStep {
        /// The operation.
        id: OperationId,
        /// The step's position.
        step: u32,
        /// The leader's term.
        term: Term,
        /// What was seen.
        seen: String,
    },
    /// A leader saw a step fail.
    FailStep {
        /// The operation.
        id: OperationId,
        /// The step's position.
        step: u32,
        /// The leader's term.
        term: Term,
        /// Why.
        refusal: Refusal,
    },
    /// A leader takes a step back while aborting.
    UndoStep {
        /// The operation.
        id: OperationId,
        /// The step's position.
        step: u32,
        /// The leader's term.
        term: Term,
        /// What was seen.
        seen: String,
    },
    /// Let an operation stand between two steps.
    PauseOperation {
        /// The operation.
        id: OperationId,
    },
    /// Let a paused or stuck operation go on.
    ResumeOperation {
        /// The operation.
        id: OperationId,
    },
    /// End an operation and undo it as far as it can be.
    AbortOperation {
        /// The operation.
        id: OperationId,
        /// It is stuck past its point of no return: end it where it stands, and undo nothing.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        leave_as_is: bool,
    },
    /// The masters were recovered from a lost quorum: a new epoch begins. Written into the log of
    /// the surviving master that goes on, by `recover apply`, while no master runs.
    Recover {
        /// The epoch that begins.
        epoch: Epoch,
        /// The master whose log goes on.
        keeper: NodeId,
        /// The masters that are given up: their ids are dead for ever.
        written_off: Vec<NodeId>,
        /// The hash of the plan that was applied.
        plan_sha256: String,
        /// Ids up to this one may have been given out by masters that are given up.
        last_node_id: NodeId,
        /// Generations up to this one may have been given out by masters that are given up.
        last_generation: Generation,
    },
}

/// The level of clusters whose first command did not name one.
const fn first_feature_level() -> u32 {
    1
}

impl Command {
    /// The command's kind and target for the audit trail, without any secret.
    #[must_use]
    pub fn audit_words(&self) -> (&'static str, String) {
        match self {
            Self::CreateCluster { cluster, .. } => ("cluster.create", cluster.to_string()),
            Self::PutSetting { key, .. } => ("setting.put", key.to_string()),
            Self::DeleteSetting { key, .. } => ("setting.delete", key.to_string()),
            Self::CreateToken { id, .. } => ("token.create", id.to_string()),
            Self::RevokeToken { id } => ("token.revoke", id.to_string()),
            Self::Enrol { node, .. } => ("node.enrol", node.name.to_string()),
            Self::RequestEnrolment { token, enrolment } => {
                ("enrolment.request", format!("{} {token}", enrolment.node.name))
            }
            Self::ApproveEnrolment { token, .. } => ("enrolment.approve", token.to_string()),
            Self::RefuseEnrolment { token } => ("enrolment.refuse", token.to_string()),
            Self::SetVotes { nodes, votes, reason, even_because } => {
                let mut target = names(nodes);
                for (label, words) in [("because", Some(reason)), ("even", even_because.as_ref())] {
                    if let Some(words) = words.filter(|words| !words.is_empty()) {
                        target = format!("{target} ({label}: {words})");
                    }
                }
                (if *votes { "master.promote" } else { "master.demote" }, target)
            }
            Self::AllowEvenVoters { because } => {
                ("master.even-voters", because.clone().unwrap_or_else(|| "withdrawn".to_owned()))
            }
            Self::SetPriority { id, priority } => ("node.priority", format!("{id} = {priority}")),
            Self::SetMasterPolicy { .. } => ("master.policy", String::new()),
            Self::UpdateNode { id, .. } => ("node.update", id.to_string()),
            Self::ReportOrder { id, report } => {
                ("node.order.report", format!("{id} {}", report.generation))
            }
            Self::RecordBinary { id, version, .. } => ("node.binary", format!("{id} {version}")),
            Self::CreateSession { session, .. } => ("session.create", session.user.to_string()),
            Self::EndSession { .. } => ("session.end", String::new()),
            Self::PutUser { name, .. } => ("user.put", name.to_string()),
            Self::SubmitOperation { id, plan, .. } => {
                ("operation.submit", format!("{} {id}", plan.request.title()))
            }
            Self::BeginStep { id, step, .. } => ("operation.step.begin", format!("{id}/{step}")),
            Self::FinishStep { id, step, .. } => ("operation.step.finish", format!("{id}/{step}")),
            Self::FailStep { id, step, .. } => ("operation.step.fail", format!("{id}/{step}")),
            Self::UndoStep { id, step, .. } => ("operation.step.undo", format!("{id}/{step}")),
            Self::PauseOperation { id } => ("operation.pause", id.to_string()),
            Self::ResumeOperation { id } => ("operation.resume", id.to_string()),
            Self::AbortOperation { id, leave_as_is: false } => ("operation.abort", id.to_string()),
            Self::AbortOperation { id, leave_as_is: true } => {
                ("operation.abort", format!("{id}, left as it is"))
            }
            Self::Recover { epoch, keeper, written_off, plan_sha256, .. } => {
                let gone: Vec<String> = written_off.iter().map(NodeId::to_string).collect();
                let gone = gone.join(", ");
                (
                    "cluster.recover",
                    format!("epoch {epoch} from {keeper}, without {gone}, plan {plan_sha256}"),
                )
            }
        }
    }
}

fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
