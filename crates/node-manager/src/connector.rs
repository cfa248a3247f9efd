//! How a master is reached: a narrow trait, so that tests can do without certificates.

use async_trait::async_trait;
use quorate_model::NodeId;
use tonic::transport::Channel;

/// Opens connections to masters.
#[async_trait]
pub trait MasterConnector: Send + Sync {
    /// Connects to the internal port of a master, and makes sure that it is that node.
    ///
    /// # Errors
    /// When it cannot be reached in a few seconds, or somebody else answers.
    async fn connect(&self, node: NodeId, addr: &str) -> Result<Channel, ConnectError>;
}

/// A node could not be connected to.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot connect to node {node} at {addr}: {cause}")]
pub struct ConnectError {
    /// Which node.
    pub node: NodeId,
    /// Where it should be.
    pub addr: String,
    /// Why not, with all underlying causes.
    pub cause: String,
}

/// An error with all its causes: the outermost of a transport says only "transport error".
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}
