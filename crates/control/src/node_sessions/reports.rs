//! What a node manager reports: taken into the inventory, and acknowledged.

use std::{collections::BTreeSet, time::Instant};

use quorate_model::{ActionId, InstanceName, NodeId, NodeReport};
use tokio::sync::watch;

use super::ToNode;
use crate::Control;

impl Control {
    /// Takes in a report of a node manager. What it says of instances that are not placed on it
    /// is left out: only one node may speak for an instance.
    pub fn take_report(&self, node: NodeId, mut report: NodeReport) {
        if self.leading().is_none() {
            return;
        }
        let metadata = &self.state().metadata;
        let now = Instant::now();
        self.shared.inventory.forget_removed(now, |known| metadata.nodes.contains_key(&known));
        if !metadata.nodes.contains_key(&node) {
            // Removed meanwhile: the end of its session is on its way.
            return;
        }
        if let Some(checkup) = report.checkup.take() {
            self.shared.inventory.checkup(node, *checkup, self.now());
        }
        let placed: BTreeSet<&InstanceName> = metadata
            .components
            .values()
            .flat_map(|component| &component.spec.instances)
            .filter(|instance| instance.node == node)
            .map(|instance| &instance.name)
            .collect();
        report.instances.retain(|seen| placed.contains(&seen.instance));
        let reported: Vec<ActionId> = report.actions.iter().map(|action| action.id).collect();
        self.shared.inventory.report(node, report, now);
        self.shared.inventory.forget_ended(|id| {
            metadata.operations.get(&id).is_some_and(|operation| !operation.status.is_final())
        });
        if let Some(sender) = self.shared.sessions.sender(node) {
            for id in reported {
                // A full queue only means that the report is repeated.
                let _ = sender.try_send(ToNode::Acknowledged(id));
            }
        }
    }

    /// Follows what is observed.
    #[must_use]
    pub fn observed(&self) -> watch::Receiver<u64> {
        self.shared.inventory.changes()
    }
}
