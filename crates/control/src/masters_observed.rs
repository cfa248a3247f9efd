//! What this master sees of the others while it leads, in the planner's words.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use quorate_model::NodeId;
use quorate_plan::{MasterObserved, MastersObserved, Observations};

use crate::Control;

impl Control {
    /// Everything that is observed now: by node managers, and by this master of the others.
    pub(crate) fn observations(&self) -> Observations {
        let mut observations = self.shared.inventory.observations(Instant::now());
        observations.masters = self.masters_observed();
        observations
    }

    /// The masters as this one sees them. One that does not lead sees nothing of the others.
    #[must_use]
    pub fn masters_observed(&self) -> MastersObserved {
        let status = self.raft().status();
        let leads = self.leading().is_some();
        let committed = status.committed.map_or(0, |index| index.0);
        let mut members: BTreeMap<NodeId, MasterObserved> = BTreeMap::new();
        let voters = status.voters.keys().map(|id| (*id, true));
        for (id, voter) in voters.chain(status.learners.keys().map(|id| (*id, false))) {
            let peer = status.peers.get(&id);
            let (heard_ago, lag) = if id == self.node() {
                (Some(Duration::ZERO), Some(0))
            } else {
                let matched = peer.and_then(|peer| peer.matched);
                (
                    peer.and_then(|peer| peer.acked_ago).filter(|_| leads),
                    matched.map(|matched| committed.saturating_sub(matched.0)),
                )
            };
            members.insert(id, MasterObserved { voter, heard_ago, lag });
        }
        MastersObserved { leader: leads.then(|| self.node()), joint: status.joint, members }
    }
}
