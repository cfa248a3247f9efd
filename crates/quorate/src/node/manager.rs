//! Runs a node manager.

use std::sync::Arc;

use quorate_keyring::identity::ReloadableIdentity;
use quorate_model::{NodeCheckup, Refusal, codes};
use quorate_node_manager::{
    NodeIdentityFiles, NodeManager, NodeManagerFolders, NodeManagerOptions, TlsDialer,
};
use tokio::sync::watch;
use tracing::info;

use super::{
    Folders, binary, checkup,
    orders::Orders,
    os::system_clock,
    report::{Reporter, follow_manager},
};

/// Runs the node manager until `stop` turns true; its instances go on running. The
/// masters it asks are those it was told of; on a master's host, that one as well.
pub(super) async fn run(
    folders: Folders,
    identity: Arc<ReloadableIdentity>,
    own_master: Option<String>,
    reporter: Option<Reporter>,
    orders: Orders,
    zone: String,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Refusal> {
    let node = identity.current().node;
    let shim_program = std::env::current_exe().map_err(|error| {
        Refusal::new(codes::INTERNAL, "cannot tell which file this process was started from")
            .cause(error.to_string())
    })?;
    let masters = own_master.map(|addr| (node, addr)).into_iter().collect();
    let places = NodeManagerFolders {
        data: folders.node_manager(),
        run: folders.run.clone(),
        log: folders.log.clone(),
    };
    let mut options = NodeManagerOptions::new(node, places, shim_program, masters);
    options.version = binary::version().to_owned();
    options.reads_level = binary::reads_level();
    options.feature_level = orders.level();
    options.orders = orders.inbox();
    options.told = orders.told();
    options.identity =
        Some(NodeIdentityFiles { identity: Arc::clone(&identity), folder: folders.identity() });
    if let Some(reporter) = reporter {
        tokio::spawn(follow_manager(options.leader.subscribe(), reporter));
    }
    let (tell, checkups) = watch::channel(NodeCheckup::default());
    options.checkups = Some(checkups);
    let looking = tokio::spawn(checkup::keep_looking(folders.clone(), zone, node, tell));
    let clock = system_clock();
    let connector = TlsDialer::new(&identity, &clock).map_err(|error| Refusal::from(&error))?;
    let manager =
        NodeManager::new(options, Arc::new(connector), clock).map_err(|error| error.refusal())?;
    info!(%node, "node manager started");
    let stopping = async move {
        // The sender lives as long as the process runs.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let ended = manager.run(stopping).await.map_err(|error| error.refusal());
    looking.abort();
    ended
}
