//! The node manager as a whole: its parts put together, run until it is asked to stop.

use std::sync::Arc;

use quorate_model::{Clock, NodeId};
use quorate_supervisor::Supervisor;
use tokio::sync::watch;
use tracing::info;

use crate::{
    MasterConnector, NodeManagerError, NodeManagerOptions,
    actions::Actions,
    board::Board,
    disk::make_folder,
    identity_renewal::keep_renewed,
    instance::Host,
    keeper::Keeper,
    link::Link,
    masters::MasterBook,
    session::{Sessions, SessionsParts},
};

/// Keeps the instances of one host as the leader desires.
pub struct NodeManager {
    options: NodeManagerOptions,
    connector: Arc<dyn MasterConnector>,
    clock: Arc<dyn Clock>,
    supervisor: Supervisor,
    book: MasterBook,
}

impl NodeManager {
    /// Makes the folders and reads what was kept; nothing is started or asked yet.
    ///
    /// # Errors
    /// When a folder cannot be used, or a record is of a newer version.
    pub fn new(
        options: NodeManagerOptions,
        connector: Arc<dyn MasterConnector>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NodeManagerError> {
        let folders = &options.folders;
        make_folder(&folders.data)?;
        let supervisor = Supervisor::new(
            folders.run.join("instances"),
            folders.log.join("instances"),
            options.shim_program.clone(),
            Arc::clone(&clock),
        )?;
        let book = MasterBook::open(&folders.data, options.masters.clone())?;
        Ok(Self { options, connector, clock, supervisor, book })
    }

    /// Runs until `shutdown` is done. Every instance goes on running then; so it does when the
    /// future is dropped, or the process killed.
    ///
    /// # Errors
    /// When the kept orders cannot be read; nothing has been done then.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), NodeManagerError> {
        let Self { options, connector, clock, supervisor, book } = self;
        info!(node = %options.node, "the node manager begins");
        let board = Arc::new(Board::new(Arc::clone(&clock)));
        let (link_sender, link) = watch::channel(None);
        let host = Arc::new(Host {
            supervisor: supervisor.clone(),
            catalog: options.catalog.clone(),
            drivers: options.drivers.clone(),
            board: Arc::clone(&board),
            link: link.clone(),
            clock: Arc::clone(&clock),
            probe_every: options.probe_every,
        });
        let sessions = Sessions::new(SessionsParts {
            connector,
            book,
            keeper: Keeper::open(options.folders.data.join("instances"), host)?,
            actions: Actions::new(options.drivers),
            board,
            link: link_sender,
            log_folder: supervisor.log_folder().to_owned(),
            version: options.version,
            orders: options.orders,
            told: options.told,
            reads_level: options.reads_level,
            feature_level: options.feature_level,
            report_every: options.report_every,
            checkups: options.checkups,
        });
        let telling = tell_leader(link.clone(), options.leader);
        let renewal = async {
            match options.identity {
                Some(files) => keep_renewed(files, link, clock).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown => {}
            removed = sessions.run() => return Err(NodeManagerError::Removed(removed)),
            () = renewal => {}
            () = telling => {}
        }
        info!(node = %options.node, "the node manager ends; its instances go on running");
        Ok(())
    }
}

/// Tells whom the session is with, as long as there is anybody to ask for it.
async fn tell_leader(mut link: Link, leader: watch::Sender<Option<NodeId>>) {
    loop {
        let now = link.borrow_and_update().as_ref().map(|link| link.leader);
        leader.send_replace(now);
        if link.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl std::fmt::Debug for NodeManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeManager").field("options", &self.options).finish_non_exhaustive()
    }
}
