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
use crate::node::{
    NodeConfig,
    os::{refuse_file, system_clock},
};

/// The admin port, bound for as long as the process runs: whoever asks while the storage has failed
/// is told so. Clones are the same port.
#[derive(Clone)]
pub(super) struct AdminPort(Arc<std::net::TcpListener>);

impl AdminPort {
    async fn bind(config: &NodeConfig) -> Result<Self, Refusal> {
        let addr = &config.node.admin_addr;
        let listener = bind("admin", addr).await?.into_std();
        listener
            .map(|listener| Self(Arc::new(listener)))
            .map_err(|error| refuse("admin", addr, &error))
    }

    /// A listener on the port. Whoever had one before must have ended it.
    pub(super) fn listener(&self) -> io::Result<TcpListener> {
        TcpListener::from_std(self.0.try_clone()?)
    }
}

/// The ports of a master, bound.
pub(super) struct Sockets {
    pub(super) admin: AdminPort,
    internal: TcpListener,
}

impl Sockets {
    /// Binds both ports.
    pub(super) async fn bind(config: &NodeConfig) -> Result<Self, Refusal> {
        Self::bind_again(AdminPort::bind(config).await?, config).await
    }

    /// Binds the internal port, beside the admin port that is bound.
    pub(super) async fn bind_again(admin: AdminPort, config: &NodeConfig) -> Result<Self, Refusal> {
        Ok(Self { admin, internal: bind("internal", &config.node.internal_addr).await? })
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
        let admin = self.admin.listener().map_err(|error| refuse_file("serve", &local, &error))?;
        let tls = server_tls(identity, &system_clock()).map_err(|error| Refusal::from(&error))?;
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
        tasks.spawn(serve_admin(admin, router.clone(), until(stopped)));
        tasks.spawn(serve_local(local, router, until(stopped)));
        tasks.spawn(serve_internal(self.internal, tls, services, until(stopped)));
        Ok(())
    }
}

async fn bind(what: &str, addr: &str) -> Result<TcpListener, Refusal> {
    TcpListener::bind(addr).await.map_err(|error| refuse(what, addr, &error))
}

fn refuse(what: &str, addr: &str, error: &io::Error) -> Refusal {
    match error.kind() {
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
    }
}
