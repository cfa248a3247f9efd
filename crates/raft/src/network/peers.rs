//! The open connections to the other masters, one per peer and lane.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use quorate_model::{ClusterId, Epoch, NodeId};
use tonic::transport::Channel;

use super::{DialError, Dialer, addresses::Addresses, epoch::told_by};
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

/// A connection that does not answer for so long is made anew. One late answer is no reason:
/// making it takes longer than the deadline of most calls.
const SILENCE: Duration = Duration::from_secs(1);

/// A connection that is being made, or is made. Its making belongs to no call, and goes on when
/// the call that began it has no more time: else a link, or a machine, on which a handshake takes
/// longer than a heartbeat's deadline would never be connected.
type Dialing = Shared<BoxFuture<'static, Result<Channel, DialError>>>;

struct Connection {
    addr: String,
    dialing: Dialing,
    /// When it last answered, or was first used; `None` while it is being made.
    answered: Option<Instant>,
}

type Connections = HashMap<(NodeId, Lane), Connection>;

/// Clones share the connections.
#[derive(Clone)]
pub(crate) struct Peers {
    dialer: Arc<dyn Dialer>,
    connections: Arc<Mutex<Connections>>,
    pub(crate) addresses: Addresses,
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
            addresses: Addresses::default(),
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
        let dialing = self.dialing(node, &self.addresses.newest(node, addr), lane);
        let channel = match dialing.clone().await {
            Ok(channel) => channel,
            Err(error) => {
                let mut connections = self.connections();
                let mine = |known: &Connection| known.dialing.ptr_eq(&dialing);
                if connections.get(&(node, lane)).is_some_and(mine) {
                    connections.remove(&(node, lane));
                }
                return Err(error);
            }
        };
        if let Some(connection) = self.connections().get_mut(&(node, lane)) {
            connection.answered.get_or_insert_with(Instant::now);
        }
        Ok(MastersClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX))
    }

    /// The connection there is, or the beginning of a new one.
    fn dialing(&self, node: NodeId, addr: &str, lane: Lane) -> Dialing {
        let mut connections = self.connections();
        if let Some(known) = connections.get(&(node, lane)).filter(|known| known.addr == addr) {
            return known.dialing.clone();
        }
        let (dialer, to) = (Arc::clone(&self.dialer), addr.to_owned());
        let failed = DialError { node, addr: addr.to_owned(), cause: "it was given up".to_owned() };
        let task = tokio::spawn(async move { dialer.dial(node, &to).await });
        let dialing = async move { task.await.unwrap_or(Err(failed)) }.boxed().shared();
        let connection =
            Connection { addr: addr.to_owned(), dialing: dialing.clone(), answered: None };
        connections.insert((node, lane), connection);
        dialing
    }

    /// The connection has answered a call.
    pub(crate) fn answered(&self, node: NodeId, lane: Lane) {
        if let Some(connection) = self.connections().get_mut(&(node, lane)) {
            connection.answered = Some(Instant::now());
        }
    }

    /// A call was not answered in time; if that has been so for a while, the connection is
    /// forgotten.
    pub(crate) fn unanswered(&self, node: NodeId, lane: Lane) {
        let mut connections = self.connections();
        let answered = connections.get(&(node, lane)).and_then(|known| known.answered);
        if answered.is_some_and(|at| at.elapsed() > SILENCE) {
            connections.remove(&(node, lane));
        }
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
