//! Who calls on the internal port: known by the certificate, never by a field of a message.

use quorate_control::Control;
use quorate_keyring::identity::peer_node;
use quorate_model::{ClusterId, NodeId, NodeRoles, Refusal, TroubleKind};
use tonic::{
    Extensions, Status,
    transport::server::{TcpConnectInfo, TlsConnectInfo},
};

/// The node that calls, as its certificate says.
///
/// # Errors
/// `unauthenticated` without a certificate of this cluster.
pub fn peer_of(extensions: &Extensions, cluster: ClusterId) -> Result<NodeId, Box<Status>> {
    let nobody = || Box::new(Status::unauthenticated("a node certificate is needed"));
    let info = extensions.get::<TlsConnectInfo<TcpConnectInfo>>().ok_or_else(nobody)?;
    let certs = info.peer_certs().ok_or_else(nobody)?;
    let peer =
        peer_node(&certs).map_err(|error| Box::new(Status::unauthenticated(error.to_string())))?;
    if peer.cluster != cluster {
        return Err(Box::new(Status::unauthenticated("the certificate is of another cluster")));
    }
    Ok(peer.node)
}

/// Lets a caller through that is a living node with the wanted role.
///
/// # Errors
/// `permission_denied` for a removed node or one without the role.
pub fn require_member(
    control: &Control,
    caller: NodeId,
    wanted: impl Fn(&NodeRoles) -> bool,
) -> Result<(), Box<Status>> {
    let state = control.state();
    let recovery = state.metadata.recovery.as_ref();
    let is_written_off = recovery.is_some_and(|it| it.written_off.contains(&caller));
    // One that was written off in a recovery is told so by Raft's own calls.
    if let Some(tombstone) = state.metadata.tombstones.get(&caller)
        && !is_written_off
    {
        control.raft().troubles().note(TroubleKind::RefusedNode, Some(caller), "it was removed");
        return Err(Box::new(removed(&tombstone.refusal(caller))));
    }
    match state.metadata.nodes.get(&caller) {
        Some(node) if wanted(&node.roles) => Ok(()),
        Some(_) => Err(Box::new(Status::permission_denied(format!("{caller} has another role")))),
        None => {
            let troubles = control.raft().troubles();
            troubles.note(TroubleKind::RefusedNode, Some(caller), "it is no node of this cluster");
            Err(Box::new(Status::permission_denied(format!(
                "{caller} is not a node of this cluster"
            ))))
        }
    }
}

/// The answer to a removed node: it is told why it is refused.
fn removed(refusal: &Refusal) -> Status {
    let details = serde_json::to_vec(refusal).unwrap_or_default();
    Status::with_details(tonic::Code::PermissionDenied, refusal.to_string(), details.into())
}
