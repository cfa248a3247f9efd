//! Where a node keeps its things.

use std::path::{Path, PathBuf};

use quorate_model::{Epoch, Refusal};

use super::os::refuse_file;

/// Moves a node's folders; `--root` moves all of them below one, so that several nodes run on
/// one host.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct FolderArgs {
    /// The configuration folder [default: /etc/quorate]
    #[arg(long, value_name = "DIR", env = "QUORATE_CONFIG_DIR")]
    pub(crate) config_dir: Option<PathBuf>,
    /// The data folder [default: /var/lib/quorate]
    #[arg(long, value_name = "DIR", env = "QUORATE_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The log folder [default: /var/log/quorate]
    #[arg(long, value_name = "DIR", env = "QUORATE_LOG_DIR")]
    pub(crate) log_dir: Option<PathBuf>,
}

impl FolderArgs {
    /// What the environment says, for commands without these flags.
    pub(crate) fn of_environment() -> Self {
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
        Self {
            config_dir: folder("QUORATE_CONFIG_DIR"),
            data_dir: folder("QUORATE_DATA_DIR"),
            log_dir: folder("QUORATE_LOG_DIR"),
        }
    }
}

/// A node's folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folders {
    /// Configuration.
    pub(crate) config: PathBuf,
    /// Everything that must survive: keyring, identity, Raft, instances.
    pub(crate) data: PathBuf,
    /// Logs.
    pub(crate) log: PathBuf,
    /// Sockets, pid files, handles of running instances.
    pub(crate) run: PathBuf,
}

impl Folders {
    /// Each folder: its own flag, else below the root, else the default.
    pub(crate) fn resolve(args: &FolderArgs, root: Option<&Path>, run_dir: Option<&Path>) -> Self {
        let place = |own: Option<&Path>, below: &str, default: &str| match (own, root) {
            (Some(own), _) => own.to_owned(),
            (None, Some(root)) => root.join(below),
            (None, None) => PathBuf::from(default),
        };
        Self {
            config: place(args.config_dir.as_deref(), "etc", "/etc/quorate"),
            data: place(args.data_dir.as_deref(), "lib", "/var/lib/quorate"),
            log: place(args.log_dir.as_deref(), "log", "/var/log/quorate"),
            run: place(run_dir, "run", "/run/quorate"),
        }
        .absolute()
    }

    /// Instances outlive this process and its working folder, so every path is absolute.
    fn absolute(self) -> Self {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Self {
            config: absolute(self.config),
            data: absolute(self.data),
            log: absolute(self.log),
            run: absolute(self.run),
        }
    }

    /// Makes the folders that are missing, for the owner only.
    pub(crate) fn create(&self) -> Result<(), Refusal> {
        for folder in [&self.config, &self.data, &self.log, &self.run] {
            quorate_keyring::make_private_folder(folder)
                .map_err(|error| refuse_file("make the folder", folder, &error))?;
        }
        Ok(())
    }

    /// The node's configuration.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.config.join("quorate.toml")
    }

    /// The sealed keyring of a master.
    pub(crate) fn keyring_file(&self) -> PathBuf {
        self.data.join("keyring.json")
    }

    /// The node's certificate and key; its presence makes the folder a node's.
    pub(crate) fn identity(&self) -> PathBuf {
        self.data.join("identity")
    }

    /// There while `init` or `join` is at work.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.data.join(".unfinished")
    }

    /// The newest order to this node's process that was obeyed.
    pub(crate) fn orders_file(&self) -> PathBuf {
        self.data.join("orders.json")
    }

    /// Binaries of Quorate that this node may go on as.
    pub(crate) fn binaries(&self) -> PathBuf {
        self.data.join("binaries")
    }

    /// Which of them a start goes on as, and which attempt at another is under way.
    pub(crate) fn upgrade_file(&self) -> PathBuf {
        self.data.join("upgrade.json")
    }

    /// The cluster's feature level, when it is not the first.
    pub(crate) fn feature_level_file(&self) -> PathBuf {
        self.data.join("feature-level.json")
    }

    /// There while a purge that was ordered is still to be done.
    pub(crate) fn purge_mark(&self) -> PathBuf {
        self.data.join(".purge")
    }

    /// There once this node was removed from its cluster: what it says then.
    pub(crate) fn removed_file(&self) -> PathBuf {
        self.data.join("removed.json")
    }

    /// What a joiner keeps until it is a node.
    pub(crate) fn joining(&self) -> PathBuf {
        self.data.join(".joining")
    }

    /// The Raft store of a master.
    pub(crate) fn raft(&self) -> PathBuf {
        self.data.join("raft")
    }

    /// The Raft store that a recovery is making.
    pub(crate) fn new_raft(&self) -> PathBuf {
        self.data.join("raft.new")
    }

    /// The Raft store as it was before a recovery began that epoch.
    pub(crate) fn raft_before_epoch(&self, epoch: Epoch) -> PathBuf {
        self.data.join(format!("raft.before-epoch-{epoch}"))
    }

    /// Every Raft store that a recovery has put aside.
    pub(crate) fn rafts_put_aside(&self) -> std::io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.data)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.starts_with("raft.before-epoch-")) {
                found.push(entry.path());
            }
        }
        Ok(found)
    }

    /// The epoch of a master, when it is not the first.
    pub(crate) fn epoch_file(&self) -> PathBuf {
        self.data.join("epoch.json")
    }

    /// The recovery that was begun or made here last.
    pub(crate) fn recovery_file(&self) -> PathBuf {
        self.data.join("recovery.json")
    }

    /// There when this master's epoch has ended: it stays stopped.
    pub(crate) fn superseded_file(&self) -> PathBuf {
        self.data.join("superseded.json")
    }

    /// What the node manager keeps.
    pub(crate) fn node_manager(&self) -> PathBuf {
        self.data.join("node-manager")
    }

    /// The local unix socket of a master.
    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.run.join("admin.sock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_moves_all_folders_and_a_flag_moves_one() {
        let args = FolderArgs { data_dir: Some("/elsewhere".into()), ..FolderArgs::default() };
        let folders = Folders::resolve(&args, Some(Path::new("/r")), None);
        assert_eq!(folders.config, Path::new("/r/etc"));
        assert_eq!(folders.data, Path::new("/elsewhere"));
        assert_eq!(folders.run, Path::new("/r/run"));
        let defaults = Folders::resolve(&FolderArgs::default(), None, None);
        assert_eq!(defaults.data, Path::new("/var/lib/quorate"));
    }
}
