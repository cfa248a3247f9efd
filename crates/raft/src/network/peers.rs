//! The open connections to the other masters, one per peer and lane.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use quorate_model::{ClusterId, Epoch, NodeId};
use tonic::transport::Channel;

use super::{DialError, Dialer, epoch::told_by};
use crate::{
    Troubles,
    node::superseded::EpochEnd,
    proto::raft::{Header, masters_client::MastersClient},
};

/// The largest message; an append of one entry with the largest value fits many times.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Heartbeats and snapshots have their own connection, so that a long transfer delays neither a
/// heartbeat nor the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    Log,
    Heartbeat,
    Snapshot,
    Request,
}

type Connections = HashMap<(NodeId, Lane), (String, Channel)>;

/// Clones share the connections.
#[derive(Clone)]
pub(crate) struct Peers {
    dialer: Arc<dyn Dialer>,
    connections: Arc<Mutex<Connections>>,
    cluster: Arc<str>,
    epoch: Epoch,
    ended: EpochEnd,
    pub(crate) troubles: Troubles,
}

impl Peers {
    pub(crate) fn new(
        dialer: Arc<dyn Dialer>,
        cluster: ClusterId,
        epoch: Epoch,
        ended: EpochEnd,
    ) -> Self {
        let cluster = cluster.to_string().into();
        Self {
            dialer,
            connections: Arc::default(),
            cluster,
            epoch,
            ended,
            troubles: Troubles::default(),
        }
    }

    /// A peer refused a call: perhaps because this node's epoch has ended. The peer is who it says
    /// it is, since the dialer made sure of that.
    pub(crate) fn heed(&self, peer: NodeId, status: &tonic::Status) {
        if let Some(superseded) = told_by(peer, status).filter(|told| told.epoch > self.epoch) {
            self.ended.report(superseded);
        }
    }

    pub(crate) fn header(&self, to: NodeId) -> Header {
        Header { cluster: self.cluster.to_string(), epoch: self.epoch.0, to: to.0 }
    }

    /// An open connection, or a new one.
    pub(crate) async fn client(
        &self,
        node: NodeId,
        addr: &str,
        lane: Lane,
    ) -> Result<MastersClient<Channel>, DialError> {
        let known = self.connections().get(&(node, lane)).cloned();
        let channel = match known {
            Some((known_addr, channel)) if known_addr == addr => channel,
            _ => {
                let channel = self.dialer.dial(node, addr).await?;
                self.connections().insert((node, lane), (addr.to_owned(), channel.clone()));
                channel
            }
        };
        Ok(MastersClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX))
    }

    /// Forgets a connection that failed; the next call connects anew.
    pub(crate) fn forget(&self, node: NodeId, lane: Lane) {
        self.connections().remove(&(node, lane));
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a failed call certainly did not reach the other side: the connection was never made.
pub(crate) fn was_not_sent(status: &tonic::Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}
