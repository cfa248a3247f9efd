//! The internal port: TLS 1.3 with node certificates, every RPC authorized by node and role.

mod enrolment;
mod leader;
mod node_managers;
mod nodes;

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use quorate_api::internal::{
    enrolment_server::EnrolmentServer, leader_server::LeaderServer,
    node_managers_server::NodeManagersServer, nodes_server::NodesServer,
};
use quorate_control::Control;
use quorate_model::Refusal;
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::{Status, service::Routes, transport::Server};
use tracing::debug;

/// How long a caller may take for the TLS handshake.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// How many handshakes may be under way or waiting to be served.
const WAITING: usize = 128;

/// What the internal port serves.
pub struct InternalServices {
    /// The control plane; `None` only while a joiner has not received any state.
    pub control: Control,
    /// The admin router, for calls that followers pass on.
    pub admin: Router,
    /// Raft's own services.
    pub raft: Routes,
}

/// Serves the internal port until `stop` resolves.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve_internal(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    services: InternalServices,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let InternalServices { control, admin, raft } = services;
    let routes = raft
        .add_service(EnrolmentServer::new(enrolment::Service::new(control.clone())))
        .add_service(NodeManagersServer::new(node_managers::Service::new(control.clone())))
        .add_service(NodesServer::new(nodes::Service::new(control.clone())))
        .add_service(LeaderServer::new(leader::Service::new(control, admin)));
    let (sender, mut receiver) = mpsc::channel(WAITING);
    // Dropping the set ends the task and with it the listener, however this function ends.
    let mut accepting = JoinSet::new();
    accepting.spawn(accept(listener, TlsAcceptor::from(tls), sender));
    let incoming = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(5)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stop)
        .await
        .map_err(io::Error::other)
}

/// Accepts connections; each handshake has its own task, so that a slow caller holds up nobody.
async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    ready: mpsc::Sender<io::Result<TlsStream<TcpStream>>>,
) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, for instance: others must be closed first.
                debug!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (acceptor, ready) = (acceptor.clone(), ready.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            match tokio::time::timeout(HANDSHAKE_DEADLINE, acceptor.accept(stream)).await {
                // The receiver is gone only when the server has stopped.
                Ok(Ok(stream)) => {
                    let _ = ready.send(Ok(stream)).await;
                }
                Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
                Err(_) => debug!("TLS handshake timed out"),
            }
        });
    }
}

/// A refusal on the internal port: code and words in the status, the whole value as JSON details.
pub(crate) fn status_of(refusal: &Refusal) -> Status {
    let details = serde_json::to_vec(refusal).unwrap_or_default();
    Status::with_details(tonic::Code::FailedPrecondition, refusal.to_string(), details.into())
}
