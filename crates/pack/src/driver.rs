//! The acting half of a pack: it talks to one member from the host the member runs on.

use std::{collections::BTreeMap, path::PathBuf};

use async_trait::async_trait;
use quorate_model::{
    ComponentSpec, InstanceName, MemberObservation, NodeId, PackName, Readiness, Refusal,
};

/// Where and what the driven instance is.
#[derive(Debug, Clone)]
pub struct InstanceContext {
    /// The whole component.
    pub component: ComponentSpec,
    /// The instance the driver talks to.
    pub instance: InstanceName,
    /// The host or IP address of every node that carries an instance of the component.
    pub addresses: BTreeMap<NodeId, String>,
    /// The instance's folder on this host (certificates below `tls/`).
    pub folder: PathBuf,
}

/// A driver could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DriverError {
    /// The member did not answer.
    #[error("cannot reach {what}: {reason}")]
    Unreachable {
        /// What was asked, with its address.
        what: String,
        /// Why it failed.
        reason: String,
    },
    /// The member answered no.
    #[error("{0}")]
    Refused(Refusal),
}

/// What a probe of a member saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// Whether it serves.
    pub readiness: Readiness,
    /// What it says of its consensus; `None` for a component without one, or while it is silent.
    pub member: Option<MemberObservation>,
}

/// The core verbs of a driver. Every call has its own deadline inside and returns within ten
/// seconds; doing a thing twice is doing it once.
#[async_trait]
pub trait PackDriver: Send + Sync {
    /// The pack's name, the same as its rules'.
    fn name(&self) -> PackName;

    /// Asks one member how it is. A member that does not answer is a view, not an error.
    async fn probe(&self, instance: &InstanceContext) -> MemberView;

    /// The ability to move leadership, when the component has a leader.
    fn leadership(&self) -> Option<&dyn LeadershipTransfer> {
        None
    }
}

/// The optional ability to move a component's leadership.
#[async_trait]
pub trait LeadershipTransfer: Send + Sync {
    /// Sees to it that `away_from` does not lead; `to` is preferred. Returns what was seen.
    /// When `away_from` does not lead already, nothing is done.
    ///
    /// # Errors
    /// When no member answers, or the component refuses the move.
    async fn transfer_leadership(
        &self,
        via: &InstanceContext,
        away_from: &InstanceName,
        to: &InstanceName,
    ) -> Result<String, DriverError>;
}
