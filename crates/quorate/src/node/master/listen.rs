//! The sockets of a master: bound before anything is changed, then served.

use std::{io, path::PathBuf, sync::Arc};

use quorate_control::Control;
use quorate_keyring::identity::{ReloadableIdentity, server_tls};
use quorate_model::{Refusal, codes};
use quorate_server::{
    AdminOptions, InternalServices, admin_router, serve_admin, serve_internal, serve_local,
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use super::dial;
use crate::node::NodeConfig;

/// The ports of a master, bound.
pub(super) struct Sockets {
    admin: TcpListener,
    internal: TcpListener,
}

impl Sockets {
    /// Binds both ports.
    pub(super) async fn bind(config: &NodeConfig) -> Result<Self, Refusal> {
        Ok(Self {
            admin: bind("admin", &config.node.admin_addr).await?,
            internal: bind("internal", &config.node.internal_addr).await?,
        })
    }

    /// Serves the two ports and the local socket until `stopped` turns true.
    pub(super) fn serve(
        self,
        tasks: &mut JoinSet<io::Result<()>>,
        control: &Control,
        dialer: dial::NodeDialer,
        identity: &Arc<ReloadableIdentity>,
        local: PathBuf,
        stopped: &watch::Receiver<bool>,
    ) -> Result<(), Refusal> {
        let router = admin_router(AdminOptions {
            control: control.clone(),
            leader: Arc::new(dial::ToLeader::new(dialer, control.clone())),
            console: quorate_console::router(control.clone()),
        });
        let tls = server_tls(identity).map_err(|error| Refusal::from(&error))?;
        let services = InternalServices {
            control: control.clone(),
            admin: router.clone(),
            raft: tonic::service::Routes::new(control.raft().service()),
        };
        let until = |stopped: &watch::Receiver<bool>| {
            let mut stopped = stopped.clone();
            async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            }
        };
        tasks.spawn(serve_admin(self.admin, router.clone(), until(stopped)));
        tasks.spawn(serve_local(local, router, until(stopped)));
        tasks.spawn(serve_internal(self.internal, tls, services, until(stopped)));
        Ok(())
    }
}

async fn bind(what: &str, addr: &str) -> Result<TcpListener, Refusal> {
    TcpListener::bind(addr).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            Refusal::new(codes::ADDRESS_IN_USE, format!("the {what} address {addr} is in use"))
                .cause("another process listens there")
                .hint(format!("see which: ss -ltnp; or choose another {what}_addr in quorate.toml"))
        }
        _ => Refusal::new(
            codes::CONFIGURATION_INVALID,
            format!("cannot listen on the {what} address {addr}"),
        )
        .cause(error.to_string())
        .hint(format!("correct {what}_addr in quorate.toml")),
    })
}
