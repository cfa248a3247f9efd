//! Recovery from lost quorum on one stopped node: what it holds, and carrying out a plan.
//!
//! Three small files in the data folder say where a node stands. `epoch.json` is the epoch it takes
//! part in; `recovery.json` the plan that was begun or finished here; `superseded.json` is there
//! once another master has said that this node's epoch has ended, and keeps it stopped.

mod apply;
mod collect;
mod failpoint;
mod probe;
mod records;
mod swap;

use std::sync::Arc;

use quorate_keyring::{
    Keyring,
    identity::{NodeIdentity, ReloadableIdentity},
    load_sealed,
};
use quorate_model::{Refusal, codes};
use quorate_raft::Place;

use super::{
    Folders, NodeConfig,
    init::root_key,
    os::{DataLock, lock_data_folder},
};
pub(crate) use apply::{Application, Applied};
pub(crate) use collect::collect;
pub(super) use records::{OwnEpoch, load_epoch, may_run, stay_stopped, store_epoch};

/// A stopped master, held so that it cannot be started meanwhile.
pub(crate) struct StoppedMaster {
    folders: Folders,
    config: NodeConfig,
    identity: Arc<ReloadableIdentity>,
    keyring: Keyring,
    _lock: DataLock,
}

impl StoppedMaster {
    /// Takes the node's data folder and opens its keyring.
    pub(crate) fn hold(folders: &Folders) -> Result<Self, Refusal> {
        let root_key = root_key()?;
        let config = NodeConfig::load(&folders.config_file())?;
        if !config.node.role.is_master() {
            return Err(Refusal::new(
                codes::NOT_INITIALISED,
                format!("the node in {} is no master", folders.data.display()),
            )
            .hint("a quorum is recovered on the surviving masters; node managers find them by themselves"));
        }
        if !NodeIdentity::exists(&folders.identity()) {
            return Err(Refusal::new(codes::NOT_INITIALISED, "there is no node here yet")
                .cause(format!("{} holds no identity", folders.data.display()))
                .hint("say where the node is with --root DIR"));
        }
        let lock = lock_data_folder(&folders.data).map_err(|refusal| {
            if refusal.code == codes::DATA_FOLDER_IN_USE {
                refusal.hint("stop this node first: a quorum is recovered while no master runs")
            } else {
                refusal
            }
        })?;
        let identity =
            NodeIdentity::load(&folders.identity()).map_err(|error| Refusal::from(&error))?;
        let identity = ReloadableIdentity::new(identity).map_err(|error| Refusal::from(&error))?;
        let sealed = load_sealed(&folders.keyring_file()).map_err(|error| Refusal::from(&error))?;
        let keyring = Keyring::open(&root_key, &sealed).map_err(|error| Refusal::from(&error))?;
        Ok(Self { folders: folders.clone(), config, identity, keyring, _lock: lock })
    }

    fn place(&self) -> Place {
        let identity = self.identity.current();
        Place {
            cluster: identity.cluster,
            node: identity.node,
            folder: self.folders.raft(),
            keyring: self.keyring.clone(),
        }
    }
}
