//! The `metadata` part of the state: nodes, components, operations, settings.

use std::sync::Arc;

use imbl::OrdMap;
use quorate_model::{
    ComponentName, ComponentSpec, DesiredInstance, Epoch, Generation, InstanceName, NodeAction,
    NodeId, NodeName, NodeOrder, NodeRoles, Operation, OperationId, OperationRequest, OrderReport,
    Refusal, RequestId, Revision, RunState, SettingKey, Step, StepKind, Subject, Term, Timestamp,
    codes,
};
use serde::{Deserialize, Serialize};

use crate::{MasterPolicy, NewNode, Stated};

/// A living node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// What it is.
    pub roles: NodeRoles,
    /// The host or IP address that other nodes and components reach it at.
    pub address: String,
    /// `HOST:PORT` of its internal port; empty for a node manager, which listens on none.
    #[serde(default)]
    pub internal_addr: String,
    /// `HOST:PORT` of its admin port; empty for a node manager.
    #[serde(default)]
    pub admin_addr: String,
    /// When it joined.
    pub joined_at: Timestamp,
    /// The version of the binary it joined with.
    #[serde(default)]
    pub version: String,
    /// The log index of the last change of what it is; where it is found does not count.
    #[serde(default)]
    pub revision: Revision,
    /// The newest order to its process, obeyed or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<NodeOrder>,
    /// As a master: the newest order that was obeyed before its process began.
    #[serde(default)]
    pub obeyed: Generation,
    /// As a master: what became of the newest order that its process took up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_report: Option<OrderReport>,
    /// The newest feature level that the binary it runs reads, as it said last; 0 from binaries
    /// that did not say so, which read level 1.
    #[serde(default)]
    pub reads_level: u32,
    /// The master with the highest one is preferred as leader.
    #[serde(default)]
    pub priority: u32,
    /// Why it holds the state without a vote, when somebody wants it so.
    #[serde(default)]
    pub learner_only: Option<Stated>,
    /// When its process last announced itself; a new moment means that it was started anew.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
}

impl Node {
    /// A node as it enters the cluster.
    #[must_use]
    pub fn new(node: &NewNode, joined_at: Timestamp, revision: Revision) -> Self {
        Self {
            name: node.name.clone(),
            roles: node.roles,
            address: node.address.clone(),
            internal_addr: node.internal_addr.clone(),
            admin_addr: node.admin_addr.clone(),
            joined_at,
            version: node.version.clone(),
            revision,
            order: None,
            obeyed: node.obeyed,
            order_report: node.order_report.clone(),
            reads_level: node.reads_level,
            priority: 0,
            learner_only: None,
            started_at: None,
        }
    }

    /// Whether the binary it runs reads a feature level, as far as it has said.
    #[must_use]
    pub fn reads(&self, level: u32) -> bool {
        level <= self.reads_level.max(1)
    }
}

/// What remains of a removed node: its id is dead for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The name it had.
    pub name: NodeName,
    /// When it was removed.
    pub removed_at: Timestamp,
}

impl Tombstone {
    /// What the removed node is told, by whomever it calls.
    #[must_use]
    pub fn refusal(&self, node: NodeId) -> Refusal {
        Refusal::new(
            codes::NODE_REMOVED,
            format!("this node, `{}` ({node}), was removed from the cluster", self.name),
        )
        .cause(format!(
            "it was removed at {}; its id and its certificate are refused for ever",
            self.removed_at
        ))
        .hint("to use its host again, move its data folder aside and join anew")
    }
}

/// The last recovery from lost quorum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// When it was applied.
    pub at: Timestamp,
    /// The master whose log went on.
    pub keeper: NodeId,
    /// The masters that were given up.
    pub written_off: Vec<NodeId>,
    /// The hash of the plan.
    pub plan_sha256: String,
}

/// One key of the settings space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The value as compact JSON text.
    pub value: Arc<str>,
    /// The log index of its last change.
    pub revision: Revision,
}

/// What is wanted of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// Whether it shall run.
    pub run: RunState,
    /// Rises with every change.
    pub generation: Generation,
    /// A process started for an older generation than this is restarted once.
    pub start_generation: Generation,
    /// The generation it was created with; what was started for an older one is not of it.
    #[serde(default)]
    pub first_generation: Generation,
}

/// A managed component, as decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// What was asked for.
    pub spec: ComponentSpec,
    /// The log index of its last change.
    pub revision: Revision,
    /// When it was created.
    pub created_at: Timestamp,
    /// What is wanted of each of its instances.
    pub instances: OrdMap<InstanceName, InstanceRecord>,
}

/// Nodes, components, operations, settings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Living nodes.
    pub nodes: OrdMap<NodeId, Node>,
    /// Removed nodes.
    pub tombstones: OrdMap<NodeId, Tombstone>,
    /// The last node id given out.
    pub last_node_id: NodeId,
    /// Components by name.
    pub components: OrdMap<ComponentName, Component>,
    /// Operations by id, that is by the time they were asked for.
    pub operations: OrdMap<OperationId, Arc<Operation>>,
    /// The settings space.
    pub settings: OrdMap<SettingKey, Setting>,
    /// Generations are given out of one counter, so that no instance ever sees one twice, not
    /// even an instance that is created again under an old name.
    pub last_generation: Generation,
    /// The log index of the last change of which masters there are.
    pub masters_revision: Revision,
    /// The last recovery from lost quorum, if there ever was one.
    pub recovery: Option<Recovery>,
    /// How autopilot and the choice of the leader behave.
    pub policy: MasterPolicy,
    /// Why an even number of voters is allowed, when it is.
    pub even_voters: Option<Stated>,
    /// The generation of the last reset; 0 before the first.
    pub last_reset: Generation,
}

impl Metadata {
    /// The living node of that name.
    #[must_use]
    pub fn node_named(&self, name: &NodeName) -> Option<(NodeId, &Node)> {
        self.nodes.iter().find(|(_, node)| node.name == *name).map(|(id, node)| (*id, node))
    }

    /// The unfinished operation that locks a subject, or one that it overlaps with.
    #[must_use]
    pub fn lock_on(&self, subject: &Subject) -> Option<&Arc<Operation>> {
        self.operations.values().find(|operation| operation.holds(subject))
    }

    /// The unfinished operation that lets a request not begin, which would lock `subject`. A reset
    /// ends every other operation, so that it need not wait for one that stands still.
    #[must_use]
    pub fn in_the_way_of(
        &self,
        request: &OperationRequest,
        subject: &Subject,
    ) -> Option<&Arc<Operation>> {
        let is_reset = *request == OperationRequest::Reset;
        self.operations.values().find(|operation| {
            let gives_way = is_reset
                && operation.plan.request != OperationRequest::Reset
                && !operation.can_act();
            !gives_way && operation.holds(subject)
        })
    }

    /// The unfinished operation that will give this name, which nobody else gets meanwhile.
    #[must_use]
    pub fn promised(&self, name: &NodeName) -> Option<&Arc<Operation>> {
        self.operations.values().find(|operation| {
            let promises = |step: &Step| match &step.kind {
                StepKind::Node { action: NodeAction::Rename { name: given }, .. } => given == name,
                _ => false,
            };
            !operation.status.is_final() && operation.plan.steps.iter().any(promises)
        })
    }

    /// The log index of a subject's last change; `None` when there is no such thing.
    #[must_use]
    pub fn revision_of(&self, subject: &Subject) -> Option<Revision> {
        match subject {
            Subject::Component { name } => self.components.get(name).map(|known| known.revision),
            Subject::Masters => Some(self.masters_revision),
            Subject::Node { node } => self.nodes.get(node).map(|known| known.revision),
            // Plans are made for what is in it.
            Subject::Cluster => None,
        }
    }

    /// The operation that a principal asked for under this key.
    #[must_use]
    pub fn operation_keyed(&self, principal: &str, key: &RequestId) -> Option<&Arc<Operation>> {
        self.operations.values().find(|operation| {
            operation.key.as_ref() == Some(key) && operation.requested_by == principal
        })
    }

    /// What the node manager of `node` shall keep true, as ordered by the leader of `term`.
    #[must_use]
    pub fn desired_of(&self, node: NodeId, epoch: Epoch, term: Term) -> Vec<DesiredInstance> {
        let mut desired = Vec::new();
        for component in self.components.values() {
            for instance in &component.spec.instances {
                let record = component.instances.get(&instance.name);
                if let (true, Some(record)) = (instance.node == node, record) {
                    desired.push(DesiredInstance {
                        instance: instance.name.clone(),
                        component: component.spec.clone(),
                        addresses: self.addresses_of(&component.spec),
                        run: record.run,
                        generation: record.generation,
                        start_generation: record.start_generation,
                        first_generation: record.first_generation,
                        epoch,
                        term,
                    });
                }
            }
        }
        desired
    }

    /// The address of every node that carries an instance of the component.
    #[must_use]
    pub fn addresses_of(&self, spec: &ComponentSpec) -> std::collections::BTreeMap<NodeId, String> {
        spec.instances
            .iter()
            .filter_map(|instance| {
                let node = self.nodes.get(&instance.node)?;
                Some((instance.node, node.address.clone()))
            })
            .collect()
    }

    /// The instances that are placed on a node.
    #[must_use]
    pub fn instances_on(&self, node: NodeId) -> Vec<&InstanceName> {
        self.components
            .values()
            .flat_map(|component| &component.spec.instances)
            .filter(|instance| instance.node == node)
            .map(|instance| &instance.name)
            .collect()
    }

    /// Whether a node is a living master.
    #[must_use]
    pub fn is_master(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|node| node.roles.master)
    }

    /// Whether an instance of that name exists in any component.
    #[must_use]
    pub fn instance_exists(&self, name: &InstanceName) -> bool {
        self.components.values().any(|component| component.instances.contains_key(name))
    }
}
