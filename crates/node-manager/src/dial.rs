//! Connections to other nodes' internal ports: mutual TLS, HTTP/2, a dead end noticed soon.

use std::{fmt, io, sync::Arc, time::Duration};

use async_trait::async_trait;
use hyper_util::rt::TokioIo;
use quorate_keyring::{
    KeyringError,
    identity::{ReloadableIdentity, client_tls, server_name},
};
use quorate_model::{Clock, ClusterId, NodeId};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};
use tonic::transport::{Channel, Endpoint, Uri};

use crate::{ConnectError, MasterConnector, connector::in_full, gathered::Gathered};

/// How long connecting may take, TCP and TLS together.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// How often a silent connection is asked whether its other end lives.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// How long the answer to that may take.
const KEEP_ALIVE_DEADLINE: Duration = Duration::from_secs(4);

/// Dials nodes of one cluster with this node's certificate; a renewed certificate is used from
/// the next connection on. Cloning is cheap.
#[derive(Clone)]
pub struct TlsDialer {
    cluster: ClusterId,
    tls: Arc<ClientConfig>,
}

impl TlsDialer {
    /// A dialer that presents `identity` and trusts its cluster, whose certificates must be valid by
    /// `clock`.
    ///
    /// # Errors
    /// When the identity's certificates cannot be used.
    pub fn new(
        identity: &Arc<ReloadableIdentity>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, KeyringError> {
        Ok(Self { cluster: identity.current().cluster, tls: client_tls(identity, clock)? })
    }

    /// Connects to `addr` and makes sure that `node` of this cluster answers there.
    ///
    /// # Errors
    /// When nobody answers within two seconds, or somebody else does.
    pub async fn dial(&self, node: NodeId, addr: &str) -> Result<Channel, ConnectError> {
        let name = server_name(self.cluster, node);
        connect_tls(Arc::clone(&self.tls), name, addr).await.map_err(|cause| ConnectError {
            node,
            addr: addr.to_owned(),
            cause,
        })
    }
}

/// Connects to the internal port at `addr` and makes sure that `name` answers, as `tls` says.
///
/// # Errors
/// Why nobody answers within two seconds, or somebody else does, with all underlying causes.
pub async fn connect_tls(
    tls: Arc<ClientConfig>,
    name: ServerName<'static>,
    addr: &str,
) -> Result<Channel, String> {
    let target = addr.to_owned();
    let connector = tower::service_fn(move |_: Uri| {
        let (name, tls) = (name.clone(), TlsConnector::from(Arc::clone(&tls)));
        let target = target.clone();
        async move {
            let stream = TcpStream::connect(target).await?;
            stream.set_nodelay(true)?;
            let stream = tls.connect(name, stream).await?;
            Ok::<_, io::Error>(TokioIo::new(Gathered::new(stream)))
        }
    });
    // The URI only names the HTTP/2 authority; the connector knows where to go.
    Endpoint::from_static("http://quorate.internal")
        .connect_timeout(CONNECT_DEADLINE)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_DEADLINE)
        .keep_alive_while_idle(true)
        .connect_with_connector(connector)
        .await
        .map_err(|error| in_full(&error))
}

#[async_trait]
impl MasterConnector for TlsDialer {
    async fn connect(&self, node: NodeId, addr: &str) -> Result<Channel, ConnectError> {
        self.dial(node, addr).await
    }
}

impl fmt::Debug for TlsDialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsDialer").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}
