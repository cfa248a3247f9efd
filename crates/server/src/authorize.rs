//! Who calls on the internal port: known by the certificate, never by a field of a message.

use std::sync::{Arc, Mutex, PoisonError};

use quorate_control::Control;
use quorate_keyring::identity::{PeerIdentity, peer_node};
use quorate_model::{ClusterId, NodeId, NodeRoles, Refusal, TroubleKind};
use rustls::pki_types::CertificateDer;
use tonic::{
    Extensions, Status,
    transport::server::{TcpConnectInfo, TlsConnectInfo},
};

/// How many certificates are remembered: more than there are masters.
const KNOWN_MOST: usize = 16;

/// The node that calls, as its certificate says.
///
/// # Errors
/// `unauthenticated` without a certificate of this cluster.
pub fn peer_of(extensions: &Extensions, cluster: ClusterId) -> Result<NodeId, Box<Status>> {
    node_of(read(&certificates(extensions)?)?, cluster)
}

fn nobody() -> Box<Status> {
    Box::new(Status::unauthenticated("a node certificate is needed"))
}

/// What the caller presented; the handshake has verified it.
fn certificates(extensions: &Extensions) -> Result<Arc<Vec<CertificateDer<'static>>>, Box<Status>> {
    let info = extensions.get::<TlsConnectInfo<TcpConnectInfo>>().ok_or_else(nobody)?;
    info.peer_certs().ok_or_else(nobody)
}

fn read(certificates: &[CertificateDer<'static>]) -> Result<PeerIdentity, Box<Status>> {
    peer_node(certificates).map_err(|error| Box::new(Status::unauthenticated(error.to_string())))
}

fn node_of(peer: PeerIdentity, cluster: ClusterId) -> Result<NodeId, Box<Status>> {
    if peer.cluster == cluster {
        Ok(peer.node)
    } else {
        Err(Box::new(Status::unauthenticated("the certificate is of another cluster")))
    }
}

/// Says who calls, and remembers which certificate is whose: Raft's calls come from the same few nodes
/// for ever, and reading a certificate costs more than the rest of a small call.
#[derive(Debug, Default)]
pub struct KnownPeers(Mutex<Vec<(Vec<u8>, PeerIdentity)>>);

impl KnownPeers {
    /// The node that calls, as its certificate says; as [`peer_of`].
    ///
    /// # Errors
    /// `unauthenticated` without a certificate of this cluster.
    pub fn peer_of(
        &self,
        extensions: &Extensions,
        cluster: ClusterId,
    ) -> Result<NodeId, Box<Status>> {
        let certs = certificates(extensions)?;
        let leaf: &[u8] = certs.first().ok_or_else(nobody)?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, peer)) = known.iter().find(|(certificate, _)| certificate == leaf) {
            return node_of(*peer, cluster);
        }
        let peer = read(&certs)?;
        if known.len() >= KNOWN_MOST {
            known.remove(0);
        }
        known.push((leaf.to_vec(), peer));
        node_of(peer, cluster)
    }
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
