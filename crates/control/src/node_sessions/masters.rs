//! Where the masters are, found once for each change of the nodes however many sessions ask.

use std::sync::{Arc, Mutex, PoisonError};

use imbl::OrdMap;
use quorate_model::NodeId;
use quorate_state::{Node, State};

/// Every master with its internal address.
pub(super) type Masters = Arc<Vec<(NodeId, String)>>;

/// The masters of the newest nodes that were asked about.
///
/// Every session looks whenever the state changes, and going through all the nodes each time would
/// cost a leader the square of their number.
#[derive(Debug, Default)]
pub(super) struct MastersList(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    nodes: OrdMap<NodeId, Node>,
    masters: Masters,
}

impl MastersList {
    /// The masters of a state. The same list as before when they are the same.
    pub(super) fn of(&self, state: &State) -> Masters {
        // A panic while holding the lock leaves a list that is compared again.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let nodes = &state.metadata.nodes;
        if !known.nodes.ptr_eq(nodes) {
            let masters: Vec<_> = nodes
                .iter()
                .filter(|(_, node)| node.roles.master)
                .map(|(id, node)| (*id, node.internal_addr.clone()))
                .collect();
            if masters != *known.masters {
                known.masters = Arc::new(masters);
            }
            known.nodes = nodes.clone();
        }
        Arc::clone(&known.masters)
    }
}
