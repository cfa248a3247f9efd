//! What a node manager is told at its start.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use quorate_keyring::identity::ReloadableIdentity;
use quorate_model::{Generation, NodeCheckup, NodeId, NodeOrder, OrderReport};
use quorate_pack::Catalog;
use quorate_packs::DriverCatalog;
use tokio::sync::watch;

/// The folders a node manager works in; made when missing, for their owner only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeManagerFolders {
    /// What must survive: orders, and the instances' configuration, data and certificates.
    pub data: PathBuf,
    /// Handles of running instances, below `instances/`.
    pub run: PathBuf,
    /// Output of instances, below `instances/`.
    pub log: PathBuf,
}

/// The node's own certificate, to be renewed in time.
#[derive(Debug, Clone)]
pub struct NodeIdentityFiles {
    /// What TLS presents.
    pub identity: Arc<ReloadableIdentity>,
    /// The folder it is stored in.
    pub folder: PathBuf,
}

/// What is said of the orders to this process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrdersTold {
    /// The newest order that was obeyed; one to begin anew counts once the process has begun.
    pub obeyed: Generation,
    /// What became of the newest order that was taken up.
    pub report: Option<OrderReport>,
}

/// Everything a node manager is told at its start.
#[derive(Clone)]
pub struct NodeManagerOptions {
    /// This node.
    pub node: NodeId,
    /// Where it works.
    pub folders: NodeManagerFolders,
    /// The program that is started as `<program> shim <file>`.
    pub shim_program: PathBuf,
    /// Masters to ask when none are known from before, with their internal addresses.
    pub masters: Vec<(NodeId, String)>,
    /// The node's certificate; `None` when somebody else renews it.
    pub identity: Option<NodeIdentityFiles>,
    /// The version of this binary, for reports.
    pub version: String,
    /// Where orders to this process are put; see to it that they are obeyed.
    pub orders: watch::Sender<Option<NodeOrder>>,
    /// What is said of the orders to this process, for reports.
    pub told: watch::Receiver<OrdersTold>,
    /// The newest feature level this binary reads, for reports.
    pub reads_level: u32,
    /// Told the cluster's feature level by the leader.
    pub feature_level: watch::Sender<u32>,
    /// A report is sent at least this often.
    pub report_every: Duration,
    /// Running instances are probed this often.
    pub probe_every: Duration,
    /// Told of the leader there is a session with; `None` while there is none.
    pub leader: watch::Sender<Option<NodeId>>,
    /// What the node finds of itself, sent along with a report whenever it changes; `None` when
    /// nobody looks.
    pub checkups: Option<watch::Receiver<NodeCheckup>>,
    /// The rules of the packs.
    pub catalog: Catalog,
    /// The drivers of the packs.
    pub drivers: DriverCatalog,
}

impl NodeManagerOptions {
    /// Options with every pack, a report and a probe each second, and no certificate to renew.
    #[must_use]
    pub fn new(
        node: NodeId,
        folders: NodeManagerFolders,
        shim_program: PathBuf,
        masters: Vec<(NodeId, String)>,
    ) -> Self {
        Self {
            node,
            folders,
            shim_program,
            masters,
            identity: None,
            version: String::new(),
            orders: watch::Sender::new(None),
            told: watch::Sender::new(OrdersTold::default()).subscribe(),
            reads_level: 1,
            feature_level: watch::Sender::new(1),
            report_every: Duration::from_secs(1),
            probe_every: Duration::from_secs(1),
            leader: watch::Sender::new(None),
            checkups: None,
            catalog: quorate_packs::catalog(),
            drivers: DriverCatalog::default(),
        }
    }
}

impl fmt::Debug for NodeManagerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeManagerOptions")
            .field("node", &self.node)
            .field("folders", &self.folders)
            .field("masters", &self.masters)
            .finish_non_exhaustive()
    }
}
