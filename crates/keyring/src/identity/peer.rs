//! Which node a verified certificate is of.

use quorate_model::{ClusterId, NodeId};
use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

use super::{
    certificate::parse,
    names::{node_dns_name, parse_node_uri},
};
use crate::KeyringError;

/// The node at the other end of a connection, as its certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerIdentity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
}

/// The node that presented `certs` (its own certificate first, as TLS has it). The chain must have
/// been verified already, which a handshake under [`super::server_tls`] or [`super::client_tls`]
/// has done; this function only reads the name.
///
/// # Errors
/// [`KeyringError::NotANode`] when the certificate does not name exactly one node.
pub fn peer_node(certs: &[CertificateDer<'_>]) -> Result<PeerIdentity, KeyringError> {
    match certs.first() {
        Some(leaf) => peer_of(leaf),
        None => Err(KeyringError::NotANode { reason: "none was presented" }),
    }
}

/// Reads the node's name: one URI, and the one DNS name that belongs to it.
pub(crate) fn peer_of(leaf: &CertificateDer<'_>) -> Result<PeerIdentity, KeyringError> {
    let not_a_node = |reason| KeyringError::NotANode { reason };
    let parsed = parse(leaf)?;
    if parsed.is_ca() {
        return Err(not_a_node("it is an authority's"));
    }
    let extension = parsed
        .subject_alternative_name()
        .map_err(|_| not_a_node("its names cannot be read"))?
        .ok_or_else(|| not_a_node("it carries no names"))?;
    let names = extension.value.general_names.as_slice();
    let [GeneralName::DNSName(dns_name), GeneralName::URI(uri)] = names else {
        return Err(not_a_node("it carries other names than a node's"));
    };
    let (cluster, node) =
        parse_node_uri(uri).ok_or_else(|| not_a_node("its URI is not that of a node"))?;
    if *dns_name != node_dns_name(cluster, node) {
        return Err(not_a_node("its DNS name and its URI differ"));
    }
    Ok(PeerIdentity { cluster, node })
}
