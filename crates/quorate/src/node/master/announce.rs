//! Tells the cluster where this master is.

use std::time::Duration;

use quorate_api::internal::{AnnounceRequest, nodes_client::NodesClient};
use quorate_control::{Control, use_cases::nodes};
use quorate_model::{NodeRoles, Refusal, codes};
use quorate_node_manager::OrdersTold;
use quorate_state::NewNode;
use tracing::{debug, info, warn};

use super::{NodeConfig, REOPEN_EVERY, dial};
use crate::node::binary;

/// How often other masters are told while this one is not ready.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// How long another master may take to pass it on.
const TELL_DEADLINE: Duration = Duration::from_secs(3);

/// This master as the others shall know it.
pub(super) fn new_node(config: &NodeConfig, told: &OrdersTold) -> Result<NewNode, Refusal> {
    Ok(NewNode {
        name: config.node.name.clone(),
        roles: NodeRoles { master: true, node_manager: config.node.role.is_node_manager() },
        address: config.node.advertise.clone(),
        internal_addr: config.advertised_internal()?,
        admin_addr: config.advertised_admin()?,
        version: binary::version().to_owned(),
        obeyed: told.obeyed,
        order_report: told.report.clone(),
        reads_level: binary::reads_level(),
    })
}

/// Tells the cluster where this master is: itself once it is ready, before that through any other
/// master that can be reached, since a leader that does not find this one cannot make it ready.
pub(super) async fn announce(control: Control, dialer: dial::NodeDialer, node: NewNode) {
    tokio::select! {
        () = control.readiness().opened() => {}
        () = tell_others(&control, &dialer, &node) => return,
    }
    while let Err(refusal) = nodes::announce(&control, control.node(), node.clone()).await {
        warn!(code = %refusal.code, "cannot announce this master: {refusal}");
        tokio::time::sleep(REOPEN_EVERY).await;
    }
}

/// Returns once another master has recorded it.
async fn tell_others(control: &Control, dialer: &dial::NodeDialer, node: &NewNode) {
    loop {
        for (other, addr) in nodes::other_masters(control) {
            let told = tell(dialer, other, &addr, node);
            match tokio::time::timeout(TELL_DEADLINE, told).await {
                Ok(Ok(())) => {
                    info!(through = %other, "announced where this master is");
                    return;
                }
                Ok(Err(refusal)) => debug!(%other, %addr, "not announced: {refusal}"),
                Err(_) => debug!(%other, %addr, "not announced in time"),
            }
        }
        tokio::time::sleep(TELL_EVERY).await;
    }
}

async fn tell(
    dialer: &dial::NodeDialer,
    other: quorate_model::NodeId,
    addr: &str,
    node: &NewNode,
) -> Result<(), Refusal> {
    let unreachable = |cause: String| {
        Refusal::new(codes::MASTER_UNREACHABLE, format!("{other} does not answer")).cause(cause)
    };
    let channel = dialer.connect(other, addr).await.map_err(unreachable)?;
    let node_json = serde_json::to_string(node)
        .map_err(|error| Refusal::new(codes::INTERNAL, error.to_string()))?;
    let request = AnnounceRequest { node_json };
    let answer = NodesClient::new(channel).announce(request).await;
    answer.map(drop).map_err(|status| dial::refusal_of(&status))
}
