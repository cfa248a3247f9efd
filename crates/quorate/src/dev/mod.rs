//! `quorate dev`: a throw-away cluster on this machine, made of the same commands people use.
//!
//! Every node is a process of its own (`quorate run`), started and driven through the command
//! line, so that what `dev` shows is what the product does.

mod cluster;
mod components;
mod node_process;
pub(crate) mod sample;
mod status_line;

use std::path::PathBuf;

use quorate_model::{Refusal, codes};
use tokio::signal::unix::{SignalKind, signal};

use self::cluster::DevCluster;

/// Run a throw-away cluster on this machine: masters, node managers, components, console
///
/// Needs nothing but this binary. An etcd cluster named `orders` is added when Debian's etcd is
/// installed. Ctrl-C ends everything and removes its folder.
#[derive(Debug, clap::Args)]
pub(crate) struct DevArgs {
    /// How many masters
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=7))]
    pub(crate) masters: u16,
    /// How many node managers
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(0..=9))]
    pub(crate) node_managers: u16,
    /// The first master's admin port; the others follow. Internal ports begin 1821 higher
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1024..=60000))]
    pub(crate) port_base: u16,
    /// Keep the cluster's folder when it ends
    #[arg(long)]
    pub(crate) keep: bool,
    /// Start no components
    #[arg(long)]
    pub(crate) bare: bool,
    /// End as soon as everything is ready (for tests)
    #[arg(long, hide = true)]
    pub(crate) once: bool,
}

/// Runs `dev` until Ctrl-C. `root` is where the cluster's folders go, if that was chosen.
pub(crate) async fn run(args: &DevArgs, root: Option<PathBuf>) -> Result<(), Refusal> {
    let mut cluster = DevCluster::new(args, root)?;
    let signals = stop_signals()?;
    tokio::pin!(signals);
    let result = tokio::select! {
        result = serve(args, &mut cluster) => result,
        () = &mut signals => Ok(()),
    };
    status_line::say("ending the cluster ...");
    cluster.end(result.is_err()).await;
    result
}

async fn serve(args: &DevArgs, cluster: &mut DevCluster) -> Result<(), Refusal> {
    cluster.start_masters().await?;
    cluster.start_node_managers().await?;
    if !args.bare && args.node_managers > 0 {
        components::create(cluster).await?;
    }
    status_line::announce(cluster);
    if args.once {
        return Ok(());
    }
    status_line::follow(cluster).await
}

fn stop_signals() -> Result<impl Future<Output = ()>, Refusal> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            Refusal::new(codes::INTERNAL, "cannot listen for signals").cause(error.to_string())
        })
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
