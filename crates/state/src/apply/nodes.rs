//! Nodes: entering the inventory and being found at new addresses.

use quorate_model::NodeId;

use super::{Context, not_found};
use crate::{Applied, NewNode, Node, Outcome, State};

/// Adds a node under an id that was never used before.
pub(super) fn insert(state: &mut State, id: NodeId, node: &NewNode, context: &Context<'_>) {
    state.metadata.last_node_id = state.metadata.last_node_id.max(id);
    state.metadata.nodes.insert(
        id,
        Node {
            name: node.name.clone(),
            roles: node.roles,
            address: node.address.clone(),
            internal_addr: node.internal_addr.clone(),
            admin_addr: node.admin_addr.clone(),
            joined_at: context.proposal.at,
            version: node.version.clone(),
            revision: context.revision(),
        },
    );
    if node.roles.master {
        state.metadata.masters_revision = context.revision();
    }
}

pub(super) fn update(state: &mut State, id: NodeId, new: &NewNode) -> Outcome {
    let Some(node) = state.metadata.nodes.get_mut(&id) else {
        return Err(not_found(format!("node {id}")));
    };
    node.address.clone_from(&new.address);
    node.internal_addr.clone_from(&new.internal_addr);
    node.admin_addr.clone_from(&new.admin_addr);
    node.version.clone_from(&new.version);
    Ok(Applied::Done)
}
