//! Masters and node managers.

use quorate_api::rest::{MasterView, NodeManagerView};
use quorate_model::Refusal;
use quorate_state::{Command, NewNode};

use crate::{Control, Permission, Principal, views};

/// The masters, as this master sees them; the leader sees most.
///
/// # Errors
/// When the principal may not see them.
pub fn masters(control: &Control, principal: &Principal) -> Result<Vec<MasterView>, Refusal> {
    principal.require(Permission::Read)?;
    Ok(views::masters(control))
}

/// The node managers, as the leader sees them.
///
/// # Errors
/// When the principal may not see them.
pub fn node_managers(
    control: &Control,
    principal: &Principal,
) -> Result<Vec<NodeManagerView>, Refusal> {
    principal.require(Permission::Read)?;
    Ok(control.with_facts(|facts| views::node_managers(control, facts)))
}

/// Records where this master is reached now and which binary it runs, when that has changed.
///
/// # Errors
/// When there is no leader.
pub async fn announce(control: &Control, node: NewNode) -> Result<(), Refusal> {
    let state = control.state();
    let known = state.metadata.nodes.get(&control.node()).is_some_and(|known| {
        known.address == node.address
            && known.internal_addr == node.internal_addr
            && known.admin_addr == node.admin_addr
            && known.version == node.version
    });
    if known {
        return Ok(());
    }
    let command = Command::UpdateNode { id: control.node(), node };
    control.propose_as(format!("node:{}", control.node()), None, command).await.map(|_| ())
}
