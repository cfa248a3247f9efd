//! The way to the leader, as long as there is a session with it.

use quorate_model::NodeId;
use tokio::sync::watch;
use tonic::transport::Channel;

/// The connection a session runs over; other calls to the leader share it.
#[derive(Debug, Clone)]
pub(crate) struct LeaderLink {
    pub(crate) leader: NodeId,
    pub(crate) channel: Channel,
}

/// The present link, to be followed.
pub(crate) type Link = watch::Receiver<Option<LeaderLink>>;
