//! Managed services: what a person asks for and what a node manager is told to keep true.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ComponentName, Epoch, Generation, InstanceName, NodeId, PackName, Term};

/// A pack-specific setting: any JSON value; the pack's rules say which it understands.
pub type SettingValue = serde_json::Value;

/// Pack-specific settings by name.
pub type Settings = BTreeMap<String, SettingValue>;

/// A managed service, as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentSpec {
    /// The component's name, unique in the cluster.
    pub name: ComponentName,
    /// The kind of component.
    pub pack: PackName,
    /// Its processes, in a stable order.
    pub instances: Vec<InstanceSpec>,
    /// Settings of every instance.
    #[serde(default)]
    pub settings: Settings,
}

/// One process of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSpec {
    /// The instance's name, unique in the cluster.
    pub name: InstanceName,
    /// The node it runs on.
    pub node: NodeId,
    /// Settings of this instance; they override the component's.
    #[serde(default)]
    pub settings: Settings,
}

impl ComponentSpec {
    /// The instance of that name.
    #[must_use]
    pub fn instance(&self, name: &InstanceName) -> Option<&InstanceSpec> {
        self.instances.iter().find(|instance| instance.name == *name)
    }

    /// A setting of one instance: its own, else the component's.
    #[must_use]
    pub fn setting<'a>(
        &'a self,
        instance: &'a InstanceSpec,
        key: &str,
    ) -> Option<&'a SettingValue> {
        instance.settings.get(key).or_else(|| self.settings.get(key))
    }
}

/// Whether an instance shall run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// The process shall run; when it ends by itself it is started again.
    Running,
    /// The process shall not run.
    Stopped,
}

/// What one node manager is told to keep true for one of its instances.
///
/// Orders of one instance are totally ordered by (epoch, term, generation); a node manager
/// persists the highest it obeyed and refuses older ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredInstance {
    /// The instance.
    pub instance: InstanceName,
    /// The whole component, so that the pack's rules can render this member's configuration.
    pub component: ComponentSpec,
    /// The host or IP address of every node that carries an instance of the component.
    pub addresses: BTreeMap<NodeId, String>,
    /// Whether it shall run.
    pub run: RunState,
    /// Rises with every change of this desired state.
    pub generation: Generation,
    /// A running process that was started for an older generation than this is restarted once.
    pub start_generation: Generation,
    /// The first generation of this instance. A process that was started for an older one belongs
    /// to an earlier instance of the same name, and is left alone.
    #[serde(default)]
    pub first_generation: Generation,
    /// The cluster's epoch when this was ordered.
    pub epoch: Epoch,
    /// The term of the leader that sent it.
    pub term: Term,
}

/// Something a pack's driver does to a member of a component. Doing it twice is doing it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum MemberAction {
    /// See to it that `away_from` does not lead the component; `to` is preferred.
    TransferLeadership {
        /// The member that shall not lead.
        away_from: InstanceName,
        /// The member that should lead instead.
        to: InstanceName,
    },
}
