//! Durable procedures: request, plan, steps, outcome. The planner makes them, the engine runs
//! them, the state keeps them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Binary, ClusterAction, ComponentName, ComponentSpec, Generation, InstanceName, MemberAction,
    NodeAction, NodeId, NodeName, OperationId, Refusal, RequestId, Revision, Term, Timestamp,
    VoterAction,
};

/// What an operation is about: what it locks while it runs, and what its plan is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "subject")]
pub enum Subject {
    /// A component: its membership, its instances, their desired state.
    Component {
        /// Its name.
        name: ComponentName,
    },
    /// The masters: their membership and their processes.
    Masters,
    /// A node that is no master.
    Node {
        /// Its id.
        node: NodeId,
    },
    /// The whole cluster: everything above, and whatever else there is.
    Cluster,
}

impl Subject {
    /// Whether two operations that hold these would get in each other's way.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self == other || matches!((self, other), (Self::Cluster, _) | (_, Self::Cluster))
    }
}

impl From<&ComponentName> for Subject {
    fn from(name: &ComponentName) -> Self {
        Self::Component { name: name.clone() }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component { name } => name.fmt(f),
            Self::Masters => f.write_str("the masters"),
            Self::Node { node } => write!(f, "node {node}"),
            Self::Cluster => f.write_str("the whole cluster"),
        }
    }
}

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum OperationRequest {
    /// Create a component and start all its instances.
    ComponentCreate {
        /// The component, complete.
        spec: ComponentSpec,
    },
    /// Restart a component's instances one by one without losing its quorum.
    ComponentRestart {
        /// The component.
        component: ComponentName,
        /// Accept that a component without failure tolerance is interrupted.
        #[serde(default)]
        accept_interruption: bool,
    },
    /// Stop all instances of a component and forget it; data folders stay.
    ComponentRemove {
        /// The component.
        component: ComponentName,
    },
    /// Restart the processes of nodes one by one, without losing the masters' quorum.
    NodeRestart {
        /// The nodes.
        nodes: Vec<NamedNode>,
        /// Accept that masters without failure tolerance are interrupted.
        #[serde(default)]
        accept_interruption: bool,
    },
    /// Replace the binary that nodes run, one by one, without losing the masters' quorum.
    NodeUpgrade {
        /// The nodes.
        nodes: Vec<NamedNode>,
        /// The binary.
        binary: Binary,
        /// How long each node may take until it is ready with it, in milliseconds.
        ready_within_ms: u64,
        /// Accept that masters without failure tolerance are interrupted.
        #[serde(default)]
        accept_interruption: bool,
    },
    /// Take a node out of the cluster for good.
    NodeRemove {
        /// The node.
        node: NamedNode,
        /// Why an even number of voting masters may remain, in the operator's words.
        #[serde(default)]
        allow_even: Option<String>,
    },
    /// Put a master in the place of another, which is removed.
    NodeReplace {
        /// The master that goes.
        old: NamedNode,
        /// The master that comes; it has joined as a learner.
        new: NamedNode,
        /// Give the new one the name of the old one.
        #[serde(default)]
        take_name: bool,
    },
    /// Move the masters' leadership.
    MasterTransferLeader {
        /// Where to; the master that is furthest ahead when absent.
        #[serde(default)]
        to: Option<NamedNode>,
    },
    /// Bring the cluster back to its first state: what was decided since `init` is gone, the nodes
    /// stay, and instances go on running, unmanaged.
    Reset,
}

/// A node with the name it had when it was asked for: what people know it by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NamedNode {
    /// The node.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
}

impl OperationRequest {
    /// The request as a command-like title, such as `component restart orders`.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::ComponentCreate { spec } => format!("component create {}", spec.name),
            Self::ComponentRestart { component, .. } => format!("component restart {component}"),
            Self::ComponentRemove { component } => format!("component remove {component}"),
            Self::NodeRestart { nodes, .. } => {
                let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
                format!("node restart {}", names.join(" "))
            }
            Self::NodeUpgrade { nodes, binary, .. } => {
                let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
                format!("node upgrade {} to {}", names.join(" "), binary.facts.version)
            }
            Self::NodeRemove { node, .. } => format!("node remove {}", node.name),
            Self::NodeReplace { old, new, .. } => {
                format!("node replace {} --with {}", old.name, new.name)
            }
            Self::MasterTransferLeader { to } => match to {
                Some(to) => format!("master transfer-leader --to {}", to.name),
                None => "master transfer-leader".to_owned(),
            },
            Self::Reset => "reset".to_owned(),
        }
    }

    /// What it is about, as far as the request alone tells: what is done to nodes is about the
    /// masters when one of the nodes is a master, which `is_master` says.
    pub fn subjects(&self, is_master: impl Fn(NodeId) -> bool) -> Vec<Subject> {
        let of_node = |node: &NamedNode| {
            if is_master(node.id) { Subject::Masters } else { Subject::Node { node: node.id } }
        };
        let mut subjects = match self {
            Self::ComponentCreate { spec } => vec![Subject::from(&spec.name)],
            Self::ComponentRestart { component, .. } | Self::ComponentRemove { component } => {
                vec![Subject::from(component)]
            }
            Self::NodeRestart { nodes, .. } | Self::NodeUpgrade { nodes, .. } => {
                nodes.iter().map(of_node).collect()
            }
            Self::NodeRemove { node, .. } => vec![of_node(node)],
            Self::NodeReplace { .. } | Self::MasterTransferLeader { .. } => vec![Subject::Masters],
            Self::Reset => vec![Subject::Cluster],
        };
        subjects.sort();
        subjects.dedup();
        subjects
    }
}

/// A fact that a step requires or waits for, judged over fresh observations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "condition")]
pub enum Condition {
    /// Without `instance`, the healthy members of the component are still a quorum.
    QuorumWithout {
        /// The component.
        component: ComponentName,
        /// The instance that is about to be away.
        instance: InstanceName,
    },
    /// The instance runs as it was last ordered to, serves, and has caught up with its leader.
    CaughtUp {
        /// The component.
        component: ComponentName,
        /// The instance.
        instance: InstanceName,
    },
    /// The instance does not lead its component, and another member does.
    NotLeading {
        /// The component.
        component: ComponentName,
        /// The instance.
        instance: InstanceName,
    },
    /// Every instance serves, has caught up, and all agree on one leader and one membership.
    Whole {
        /// The component.
        component: ComponentName,
    },
    /// Every instance's process has stopped.
    AllStopped {
        /// The component.
        component: ComponentName,
    },
    /// Every node that carries an instance of the component has reported lately.
    NodesReporting {
        /// The component.
        component: ComponentName,
    },
    /// While `node` is away, the other voting masters that answer are still a quorum.
    MastersQuorateWithout {
        /// The master that is about to be away.
        node: NodeId,
    },
    /// Once `without` votes no more, and `with` does, the voting masters that answer are a quorum
    /// of those that vote then; and the change itself finds its majority.
    MastersQuorateAfter {
        /// The master that is about to lose its vote.
        without: NodeId,
        /// The learner that is about to get it.
        #[serde(default)]
        with: Option<NodeId>,
    },
    /// Every master answers and is level with the leader, and no change of voters is unfinished.
    MastersWhole,
    /// The node does what it was last ordered to, answers, and is level with the leader as far as
    /// it is a master.
    NodeReady {
        /// The node.
        node: NodeId,
    },
    /// The node has carried out what it was last ordered to.
    OrderDone {
        /// The node.
        node: NodeId,
    },
    /// Every node has said that its binary reads this feature level.
    LevelReadable {
        /// The level.
        level: u32,
    },
    /// The node carries no instance of any component.
    NodeEmpty {
        /// The node.
        node: NodeId,
    },
    /// Another master leads.
    LeaderIsNot {
        /// The master that does not.
        node: NodeId,
    },
    /// This master leads.
    LeaderIs {
        /// The master.
        node: NodeId,
    },
    /// A tombstone stands for the node, and the masters' membership knows it no more.
    NodeGone {
        /// The node.
        node: NodeId,
    },
}

/// A change of desired state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum DesireChange {
    /// Record the component, all its instances stopped.
    Create {
        /// The component.
        spec: ComponentSpec,
    },
    /// Run this instance.
    Run {
        /// The instance.
        instance: InstanceName,
    },
    /// Stop this instance.
    Stop {
        /// The instance.
        instance: InstanceName,
    },
    /// Restart this instance once.
    Restart {
        /// The instance.
        instance: InstanceName,
    },
    /// Forget the component, whose instances have stopped.
    Forget {
        /// The component.
        component: ComponentName,
    },
}

/// The instruction set of runbooks, as far as it is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum StepKind {
    /// A preflight condition that must hold now.
    Require {
        /// What must hold.
        #[serde(flatten)]
        condition: Condition,
    },
    /// Change desired state.
    Desire {
        /// The change.
        #[serde(flatten)]
        change: DesireChange,
    },
    /// Wait until a condition has held for a while.
    Await {
        /// What must come to hold.
        #[serde(flatten)]
        condition: Condition,
        /// For how long it must hold without a break, in milliseconds.
        sustained_ms: u64,
    },
    /// Act on the component's own membership or leadership, through the node manager that
    /// carries `via`.
    Member {
        /// The component.
        component: ComponentName,
        /// The instance whose node manager acts.
        via: InstanceName,
        /// What to do.
        #[serde(flatten)]
        action: MemberAction,
    },
    /// Act on the masters' own membership or leadership.
    Voter {
        /// The master it is about.
        node: NodeId,
        /// What to do.
        #[serde(flatten)]
        action: VoterAction,
    },
    /// Act on a node; what is decided about it is decided with the step's beginning.
    Node {
        /// The node.
        node: NodeId,
        /// What to do.
        #[serde(flatten)]
        action: NodeAction,
    },
    /// Raise the cluster's feature level, which takes effect with the step's beginning.
    Raise {
        /// The level.
        level: u32,
    },
    /// Change the cluster as a whole; it takes effect with the step's beginning.
    Cluster {
        /// What to do.
        #[serde(flatten)]
        action: ClusterAction,
    },
    /// The end state, looked at once more.
    Verify {
        /// What must hold.
        #[serde(flatten)]
        condition: Condition,
    },
}

impl StepKind {
    /// Whether an operation may end for good without this step, and nothing is half-done: it only
    /// looks, or orders a process to do something, or moves the leadership, or gives a name.
    #[must_use]
    pub const fn may_be_left(&self) -> bool {
        match self {
            Self::Require { .. } | Self::Await { .. } | Self::Verify { .. } => true,
            Self::Node { action, .. } => {
                matches!(action, NodeAction::Order { .. } | NodeAction::Rename { .. })
            }
            Self::Voter { action, .. } => {
                matches!(action, VoterAction::TransferLeader | VoterAction::Lead)
            }
            Self::Desire { .. }
            | Self::Member { .. }
            | Self::Raise { .. }
            | Self::Cluster { .. } => false,
        }
    }
}

/// What abort does about a step that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "undo")]
pub enum Undo {
    /// The step left nothing that needs undoing.
    Nothing,
    /// This step takes it back.
    Do {
        /// The step that takes it back.
        kind: Box<StepKind>,
    },
    /// It cannot be taken back: the point of no return.
    Impossible,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What to do.
    pub kind: StepKind,
    /// What is done, in the words of a runbook.
    pub title: String,
    /// Why it is done, and why it is safe.
    pub why: String,
    /// How long it may take, in milliseconds.
    pub deadline_ms: u64,
    /// What abort does about it.
    pub undo: Undo,
}

/// A record a plan depends on, at the revision it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// What.
    #[serde(flatten)]
    pub subject: Subject,
    /// Its revision; `None` when it must not exist.
    pub revision: Option<Revision>,
}

/// A procedure, decided but not begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What was asked for.
    pub request: OperationRequest,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// What the plan was made for; it is not applied once any of these has changed.
    pub pins: Vec<Pin>,
    /// What the operation locks while it runs.
    pub locks: Vec<Subject>,
}

/// Where an operation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum OperationStatus {
    /// Its steps are being done.
    Running,
    /// A person paused it; it stands between two steps.
    Paused,
    /// A step failed; it stands there until a person retries or aborts.
    Stuck {
        /// Why.
        refusal: Refusal,
        /// Whether it was being undone: then going on means going on to undo.
        #[serde(default)]
        aborting: bool,
    },
    /// A person ended it; the undos are being done, backwards.
    Aborting,
    /// Every step was done.
    Succeeded,
    /// It was ended before its end, and undone as far as it can be.
    Aborted,
}

impl OperationStatus {
    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Aborted)
    }

    /// One word for tables.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stuck { .. } => "stuck",
            Self::Aborting => "aborting",
            Self::Succeeded => "succeeded",
            Self::Aborted => "aborted",
        }
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not begun.
    Pending,
    /// Begun.
    Started,
    /// Done.
    Finished,
    /// Failed.
    Failed,
    /// Begun and taken back.
    Undone,
    /// Begun, and left as it is while the operation was aborted: there is nothing to take back.
    Kept,
}

impl StepStatus {
    /// One word for tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Started => "started",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Undone => "undone",
            Self::Kept => "kept",
        }
    }
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Where it stands.
    pub status: StepStatus,
    /// When it began first.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// How often it was begun after it had not been: 2 once it is retried after a failure.
    #[serde(default)]
    pub attempts: u32,
    /// The generation that a `Desire`, `Node` or `Cluster` step ordered.
    #[serde(default)]
    pub generation: Option<Generation>,
    /// What was seen.
    #[serde(default)]
    pub seen: String,
}

impl StepRecord {
    /// Whether the step was ever begun, and so may have left something.
    #[must_use]
    pub const fn is_begun(&self) -> bool {
        self.started_at.is_some()
    }
}

/// One line of the record of what was done, when, by whom, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptEntry {
    /// When.
    pub at: Timestamp,
    /// Who: a person, or the master that led (`n1`, term 4).
    pub by: String,
    /// What.
    pub what: String,
}

/// A durable operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// Its plan.
    pub plan: Plan,
    /// Where it stands.
    pub status: OperationStatus,
    /// One record for each step of the plan.
    pub records: Vec<StepRecord>,
    /// Who asked for it.
    pub requested_by: String,
    /// The key by which the asker repeats the request, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<RequestId>,
    /// When.
    pub requested_at: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// The highest term of a leader that worked on it; older leaders are refused.
    pub term: Term,
    /// What was done.
    pub transcript: Vec<TranscriptEntry>,
}

impl Operation {
    /// The step to do next: the first that is not finished. `None` when all are.
    #[must_use]
    pub fn next_step(&self) -> Option<usize> {
        self.records.iter().position(|record| record.status != StepStatus::Finished)
    }

    /// The step to take back next: the last that was begun and is neither undone nor kept. A step
    /// whose begin was refused left nothing. `None` when nothing remains to be undone.
    #[must_use]
    pub fn next_undo(&self) -> Option<usize> {
        let is_settled = |status| matches!(status, StepStatus::Undone | StepStatus::Kept);
        self.records.iter().rposition(|record| record.is_begun() && !is_settled(record.status))
    }

    /// Whether it is unfinished and holds a subject, or one that overlaps with it.
    #[must_use]
    pub fn holds(&self, subject: &Subject) -> bool {
        !self.status.is_final() && self.plan.locks.iter().any(|held| held.overlaps(subject))
    }

    /// The step that is its point of no return, once that was begun.
    #[must_use]
    pub fn passed(&self) -> Option<usize> {
        let mut steps = self.plan.steps.iter().zip(&self.records);
        steps.position(|(step, record)| step.undo == Undo::Impossible && record.is_begun())
    }

    /// The first unfinished step without which something would be half-done.
    #[must_use]
    pub fn must_be_done(&self) -> Option<usize> {
        let mut steps = self.plan.steps.iter().zip(&self.records);
        steps.position(|(step, record)| {
            record.status != StepStatus::Finished && !step.kind.may_be_left()
        })
    }

    /// Whether it is stuck past its point of no return, and may end where it stands.
    #[must_use]
    pub fn can_be_left(&self) -> bool {
        matches!(self.status, OperationStatus::Stuck { aborting: false, .. })
            && self.passed().is_some()
            && self.must_be_done().is_none()
    }

    /// What a person can do about it where it stands, in order, each with its command; nothing while
    /// it goes on by itself, or has ended well.
    #[must_use]
    pub fn to_do(&self) -> Vec<String> {
        let id = self.id;
        let resume = |when: &str| format!("{when}: quorate operation resume {id}");
        let is_reset = self.plan.request == OperationRequest::Reset;
        let has_passed = self.passed().is_some();
        let mut steps = match self.status {
            OperationStatus::Stuck { .. } => vec![resume("mend what its refusal names, then")],
            OperationStatus::Paused => vec![resume("let it go on")],
            // A reset that was left as it is has not reached every disk.
            OperationStatus::Aborted if is_reset && has_passed => {
                return vec!["reset once more: quorate reset".to_owned()];
            }
            _ => return Vec::new(),
        };
        if self.can_be_left() {
            steps.push(format!(
                "if what it waits for is gone for good, end it where it stands: quorate operation \
                 abort {id} --leave-as-is"
            ));
            if is_reset {
                steps.push("once it was left so, reset once more: quorate reset".to_owned());
            }
        } else if !has_passed
            && !matches!(self.status, OperationStatus::Stuck { aborting: true, .. })
        {
            steps.push(format!("or take back what was done: quorate operation abort {id}"));
        }
        steps
    }

    /// Whether something may happen on its behalf without anybody saying so first. A paused one
    /// still ends the step in hand; one that is stuck stands still.
    #[must_use]
    pub fn can_act(&self) -> bool {
        let in_hand = |record: &StepRecord| record.status == StepStatus::Started;
        match self.status {
            OperationStatus::Running | OperationStatus::Aborting => true,
            OperationStatus::Paused => self.records.iter().any(in_hand),
            OperationStatus::Stuck { .. }
            | OperationStatus::Succeeded
            | OperationStatus::Aborted => false,
        }
    }

    /// How many steps are finished.
    #[must_use]
    pub fn finished_steps(&self) -> usize {
        self.records.iter().filter(|record| record.status == StepStatus::Finished).count()
    }
}

/// Names one attempt at a component action of an operation, so that a repeated order is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActionId {
    /// The operation.
    pub operation: OperationId,
    /// The step's position in the plan, counted from 0.
    pub step: u32,
    /// The leader's term, so that an answer to an older order is not taken for this.
    pub term: Term,
    /// The step's attempt: a retry after a failure is a new order, not a question for the outcome
    /// of the old one.
    #[serde(default)]
    pub attempt: u32,
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}.{}", self.operation, self.step, self.term, self.attempt)
    }
}
