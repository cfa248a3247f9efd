//! The files that say in which epoch a node is, and whether it may run at all.

use std::{collections::BTreeSet, io, path::Path};

use quorate_model::{Clock, Epoch, NodeId, Refusal, Timestamp, codes};
use quorate_raft::Superseded;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::node::{Folders, SystemClock, refuse_file};

const VERSION: u32 = 1;

/// `epoch.json`; absent while no recovery was ever made.
#[derive(Debug, Serialize, Deserialize)]
struct EpochRecord {
    version: u32,
    #[serde(flatten)]
    epoch: OwnEpoch,
}

/// The epoch that a node takes part in, and who is dead since it began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::node) struct OwnEpoch {
    /// The epoch.
    pub(in crate::node) epoch: Epoch,
    /// Whom this and former recoveries wrote off. The state says so, too, but only once it is
    /// applied, and they may call before.
    #[serde(default)]
    pub(in crate::node) written_off: BTreeSet<NodeId>,
}

/// `recovery.json`: the plan that was begun here last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    version: u32,
    /// The hash of the plan.
    pub(super) plan: String,
    /// The epoch it begins.
    pub(super) begins: Epoch,
    /// Whether it is carried out.
    pub(super) finished: bool,
}

impl Begun {
    pub(super) const fn new(plan: String, begins: Epoch) -> Self {
        Self { version: VERSION, plan, begins, finished: false }
    }
}

/// `superseded.json`: why this node stays stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    version: u32,
    /// The newer epoch.
    pub(super) epoch: Epoch,
    /// Who said so.
    pub(super) by: NodeId,
    /// Whether it said that this node was written off.
    pub(super) written_off: bool,
    /// When.
    at: Timestamp,
}

/// The epoch that this node takes part in.
pub(in crate::node) fn load_epoch(folders: &Folders) -> Result<OwnEpoch, Refusal> {
    Ok(load::<EpochRecord>(&folders.epoch_file())?.map(|it| it.epoch).unwrap_or_default())
}

/// Writes down the epoch that this node takes part in from now on.
pub(in crate::node) fn store_epoch(folders: &Folders, epoch: OwnEpoch) -> Result<(), Refusal> {
    store(&folders.epoch_file(), &EpochRecord { version: VERSION, epoch })
}

pub(super) fn load_begun(folders: &Folders) -> Result<Option<Begun>, Refusal> {
    load(&folders.recovery_file())
}

pub(super) fn store_begun(folders: &Folders, begun: &Begun) -> Result<(), Refusal> {
    store(&folders.recovery_file(), begun)
}

pub(super) fn load_mark(folders: &Folders) -> Result<Option<Mark>, Refusal> {
    load(&folders.superseded_file())
}

pub(super) fn remove_mark(folders: &Folders) -> Result<(), Refusal> {
    let path = folders.superseded_file();
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(refuse_file("remove", &path, &error))
        }
        _ => Ok(()),
    }
}

/// Refuses to let a node take part whose recovery is half-done, or whose epoch has ended.
pub(in crate::node) fn may_run(folders: &Folders) -> Result<(), Refusal> {
    if let Some(begun) = load_begun(folders)?.filter(|begun| !begun.finished) {
        return Err(Refusal::new(
            codes::RECOVERY_UNFINISHED,
            "a recovery was begun on this node and not finished",
        )
        .cause(format!("plan {} for epoch {} was interrupted", begun.plan, begun.begins))
        .hint("apply the same plan again: quorate recover apply PLAN"));
    }
    match load_mark(folders)? {
        Some(mark) => Err(refused(folders, load_epoch(folders)?.epoch, &mark)),
        None => Ok(()),
    }
}

/// Marks the node so that it stays stopped, and says why.
pub(in crate::node) fn stay_stopped(folders: &Folders, news: Superseded) -> Refusal {
    let Superseded { epoch, by, written_off } = news;
    let mark = Mark { version: VERSION, epoch, by, written_off, at: SystemClock.now() };
    let stored = store(&folders.superseded_file(), &mark);
    stored.and_then(|()| load_epoch(folders)).map_or_else(
        // Without a mark it is told again at its next start.
        |refusal| refusal,
        |own| refused(folders, own.epoch, &mark),
    )
}

/// The words for a node whose epoch has ended.
pub(super) fn refused(folders: &Folders, own: Epoch, mark: &Mark) -> Refusal {
    let Mark { epoch, by, .. } = mark;
    let cause = format!("{by} is in epoch {epoch}; epoch {own}, which this node is in, has ended");
    let wipe = format!(
        "move {} aside and let the host join anew: quorate token create --role master on a master, \
         then quorate join TOKEN here",
        folders.data.display()
    );
    if mark.written_off {
        return Refusal::new(
            codes::NODE_WRITTEN_OFF,
            "this node was written off in a recovery from lost quorum",
        )
        .cause(cause)
        .hint(format!("it never comes back under its id; {wipe}"));
    }
    Refusal::new(codes::EPOCH_ENDED, "the epoch this node belongs to has ended").cause(cause).hint(
        format!(
            "if the plan of the recovery names this node as a survivor, apply it here: quorate \
             recover apply PLAN; otherwise {wipe}"
        ),
    )
}

fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Refusal> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Refusal::new(codes::FILE_ACCESS, format!("cannot read {}", path.display()))
                .cause(error.to_string())
                .hint("it was damaged or edited; docs/recover.md says what it is for")
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refuse_file("read", path, &error)),
    }
}

fn store<T: Serialize>(path: &Path, record: &T) -> Result<(), Refusal> {
    let json = serde_json::to_vec_pretty(record)
        .map_err(|error| Refusal::new(codes::INTERNAL, error.to_string()))?;
    quorate_keyring::atomic_write(path, &json, 0o600).map_err(|error| Refusal::from(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::FolderArgs;

    fn folders(root: &Path) -> Folders {
        let folders = Folders::resolve(&FolderArgs::default(), Some(root), None);
        folders.create().unwrap();
        folders
    }

    #[test]
    fn a_node_without_any_record_runs_in_the_first_epoch() {
        let root = tempfile::tempdir().unwrap();
        let folders = folders(root.path());
        may_run(&folders).unwrap();
        assert_eq!(load_epoch(&folders).unwrap(), OwnEpoch::default());
        let own = OwnEpoch { epoch: Epoch(3), written_off: [NodeId(4)].into() };
        store_epoch(&folders, own.clone()).unwrap();
        assert_eq!(load_epoch(&folders).unwrap(), own);
    }

    #[test]
    fn a_recovery_that_was_begun_keeps_the_node_stopped_until_it_is_finished() {
        let root = tempfile::tempdir().unwrap();
        let folders = folders(root.path());
        let mut begun = Begun::new("9f1ac0".to_owned(), Epoch(1));
        store_begun(&folders, &begun).unwrap();
        assert_eq!(may_run(&folders).unwrap_err().code, codes::RECOVERY_UNFINISHED);
        begun.finished = true;
        store_begun(&folders, &begun).unwrap();
        may_run(&folders).unwrap();
    }

    #[test]
    fn a_node_whose_epoch_has_ended_stays_stopped_and_knows_why() {
        let root = tempfile::tempdir().unwrap();
        let folders = folders(root.path());
        for (written_off, code) in [(false, codes::EPOCH_ENDED), (true, codes::NODE_WRITTEN_OFF)] {
            let news = Superseded { epoch: Epoch(1), by: NodeId(2), written_off };
            assert_eq!(stay_stopped(&folders, news).code, code);
            let refusal = may_run(&folders).unwrap_err();
            assert_eq!(refusal.code, code);
            assert!(refusal.cause.unwrap().contains("n2 is in epoch 1"));
        }
        remove_mark(&folders).unwrap();
        remove_mark(&folders).unwrap();
        may_run(&folders).unwrap();
    }

    #[test]
    fn a_damaged_record_is_not_read_as_if_there_were_none() {
        let root = tempfile::tempdir().unwrap();
        let folders = folders(root.path());
        std::fs::write(folders.superseded_file(), b"{").unwrap();
        assert_eq!(may_run(&folders).unwrap_err().code, codes::FILE_ACCESS);
    }
}
