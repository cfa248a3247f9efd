//! What a master can see of the others: the leader sees all, another one only itself. What it
//! cannot see is unknown, never "not ready".

use quorate_api::rest::{MasterView, NodeManagerView, StatusView};

/// How much the master that serves a page can see.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    /// The master that serves the page, when another one leads.
    follower: Option<String>,
    /// Whether anybody leads, to whom node managers report.
    is_led: bool,
}

impl Sight {
    /// The sight of the master `node`.
    pub(crate) fn new(node: &str, status: &StatusView) -> Self {
        let leads_elsewhere = status.leader.as_ref().is_some_and(|leader| leader != node);
        let follower = leads_elsewhere.then(|| node.to_owned());
        Self { follower, is_led: status.leader.is_some() }
    }

    /// Whether a master is ready, if that can be seen.
    pub(crate) fn of_master(&self, master: &MasterView) -> Option<bool> {
        let is_unseen = self.follower.as_ref().is_some_and(|node| *node != master.id);
        (!is_unseen || master.ready).then_some(master.ready)
    }

    /// Whether a node manager is ready, if that can be seen.
    pub(crate) fn of_manager(&self, manager: &NodeManagerView) -> Option<bool> {
        let is_seen = self.follower.is_none() && self.is_led;
        (is_seen || manager.ready).then_some(manager.ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn what_a_follower_cannot_see_is_unknown() {
        let sample = samples::follower(samples::NIGHT);
        let sight = Sight::new(&sample.node, &sample.status);
        let seen = sample.status.masters.iter().map(|master| sight.of_master(master));
        assert_eq!(seen.collect::<Vec<_>>(), [None, Some(true), None]);
    }

    #[test]
    fn the_leader_sees_who_is_not_ready() {
        let sample = samples::degraded(samples::NIGHT);
        let sight = Sight::new(&sample.node, &sample.status);
        assert_eq!(sight.of_master(&sample.status.masters[2]), Some(false));
        assert_eq!(sight.of_manager(&sample.status.node_managers[2]), Some(false));
    }
}
