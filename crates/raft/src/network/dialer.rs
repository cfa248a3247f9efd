//! What the network needs from outside: connections to other masters, and who is calling.
//! TLS and certificates are the business of whoever implements these.

use async_trait::async_trait;
use quorate_model::NodeId;
use tonic::transport::Channel;

/// A master could not be connected to. Nothing was sent.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot connect to {node} at {addr}: {cause}")]
pub struct DialError {
    /// Who was called.
    pub node: NodeId,
    /// Where.
    pub addr: String,
    /// Why it failed.
    pub cause: String,
}

/// Makes authenticated connections to other masters.
#[async_trait]
pub trait Dialer: Send + Sync + 'static {
    /// Connects to the internal port of `node` at `addr` (`HOST:PORT`) and makes sure that it is
    /// that node. The connection must have Nagle's algorithm off.
    ///
    /// # Errors
    /// When the connection cannot be made; then nothing was sent.
    async fn dial(&self, node: NodeId, addr: &str) -> Result<Channel, DialError>;
}

/// Says which node is at the other end of a connection.
pub trait PeerAuthorizer: Send + Sync + 'static {
    /// The authenticated id of the calling node, from what the listener put into the request's
    /// extensions (the certificate of its connection), never from the message.
    ///
    /// # Errors
    /// `unauthenticated` or `permission_denied` when the caller is not a master of this cluster.
    fn authorize(&self, extensions: &tonic::Extensions) -> Result<NodeId, tonic::Status>;
}
