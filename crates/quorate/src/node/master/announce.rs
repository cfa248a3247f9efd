//! Tells the cluster where this master is.

use quorate_control::{Control, use_cases::nodes};
use quorate_model::{Generation, NodeRoles, Refusal};
use quorate_state::NewNode;
use tracing::warn;

use super::{NodeConfig, REOPEN_EVERY};

/// This master as the others shall know it.
pub(super) fn new_node(config: &NodeConfig, obeyed: Generation) -> Result<NewNode, Refusal> {
    Ok(NewNode {
        name: config.node.name.clone(),
        roles: NodeRoles { master: true, node_manager: config.node.role.is_node_manager() },
        address: config.node.advertise.clone(),
        internal_addr: config.advertised_internal()?,
        admin_addr: config.advertised_admin()?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        obeyed,
    })
}

/// Tells the cluster where this master is, once there is a cluster to tell.
pub(super) async fn announce(control: Control, node: NewNode) {
    control.readiness().opened().await;
    while let Err(refusal) = nodes::announce(&control, node.clone()).await {
        warn!(code = %refusal.code, "cannot announce this master: {refusal}");
        tokio::time::sleep(REOPEN_EVERY).await;
    }
}
