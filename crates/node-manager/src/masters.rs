//! The masters this host knows, whom to ask next, and the highest authority ever obeyed.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use quorate_model::NodeId;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    NodeManagerError,
    disk::{RECORD_VERSION, make_folder, read_record, write_record},
    order::Authority,
};

/// How long a master that just failed is not asked on another master's word: a follower goes on
/// naming a dead leader until it has elected another.
const DISTRUST: Duration = Duration::from_secs(1);

/// The name of the file in the data folder.
const FILE: &str = "masters.json";

/// `masters.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    version: u32,
    #[serde(default)]
    authority: Authority,
    #[serde(default)]
    leader: Option<NodeId>,
    #[serde(default)]
    masters: BTreeMap<NodeId, String>,
}

/// The masters this host knows. What it learns survives a restart.
#[derive(Debug)]
pub(crate) struct MasterBook {
    path: PathBuf,
    record: Record,
    /// From the configuration; asked, too, in case every address has changed.
    initial: Vec<(NodeId, String)>,
    /// Whom to ask first next time.
    hint: Option<NodeId>,
    /// The last that was asked in turn.
    last: Option<NodeId>,
    failed: Option<(NodeId, Instant)>,
}

/// What this host knows of the masters, for a join to write and for `status` to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownMasters {
    /// Their internal addresses.
    pub masters: BTreeMap<NodeId, String>,
    /// Who led when this host last heard of a leader.
    pub leader: Option<NodeId>,
}

impl KnownMasters {
    /// Writes the masters that a joining node manager shall ask first into its data folder.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn store_first(
        data: &Path,
        masters: BTreeMap<NodeId, String>,
    ) -> Result<(), NodeManagerError> {
        make_folder(data)?;
        let record = Record { version: RECORD_VERSION, masters, ..Record::default() };
        write_record(&data.join(FILE), &record)
    }

    /// Removes what a join stored, on a host without a node manager: nobody would keep it true.
    ///
    /// # Errors
    /// When the file is there and cannot be removed.
    pub fn forget(data: &Path) -> io::Result<()> {
        match fs::remove_file(data.join(FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Reads what a node manager keeps in its data folder; nothing when it has not begun.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn load(data: &Path) -> Result<Self, NodeManagerError> {
        let record = read_record::<Record>(&data.join(FILE))?.unwrap_or_default();
        Ok(Self { masters: record.masters, leader: record.leader })
    }
}

impl MasterBook {
    /// Opens the book in a node manager's data folder.
    pub(crate) fn open(
        data: &Path,
        initial: Vec<(NodeId, String)>,
    ) -> Result<Self, NodeManagerError> {
        let path = data.join(FILE);
        let record = match read_record::<Record>(&path) {
            Ok(record) => record.unwrap_or_default(),
            Err(error @ NodeManagerError::ReadRecord { .. }) => {
                // Each instance has its own fence; this one is only the first.
                warn!(%error, "the list of masters is lost; the configured ones are asked");
                Record::default()
            }
            Err(error) => return Err(error),
        };
        let hint = record.leader;
        Ok(Self { path, record, initial, hint, last: None, failed: None })
    }

    /// The highest authority ever obeyed.
    pub(crate) const fn authority(&self) -> Authority {
        self.record.authority
    }

    /// Whom to ask next: the supposed leader once, then all in turn.
    pub(crate) fn next(&mut self) -> Option<(NodeId, String)> {
        let mut known = self.record.masters.clone();
        for (node, addr) in &self.initial {
            known.entry(*node).or_insert_with(|| addr.clone());
        }
        let hinted = self.hint.take().and_then(|node| known.get_key_value(&node));
        let in_turn = || {
            let after = |last: NodeId| known.iter().find(|(node, _)| **node > last);
            self.last.and_then(after).or_else(|| known.iter().next())
        };
        let (node, addr) = hinted.or_else(in_turn)?;
        self.last = Some(*node);
        Some((*node, addr.clone()))
    }

    /// The master could not be reached, or is no leader any more. Another is asked next: if it
    /// leads after all, the other will say so, and if its host is dead no time is lost on it.
    pub(crate) fn failed(&mut self, node: NodeId, now: Instant) {
        self.failed = Some((node, now));
        self.hint = self.hint.filter(|hint| *hint != node);
    }

    /// A master says who leads. True when it is worth to ask that one at once.
    pub(crate) fn redirected(
        &mut self,
        leader: Option<NodeId>,
        masters: BTreeMap<NodeId, String>,
        now: Instant,
    ) -> bool {
        let mut record = self.record.clone();
        if !masters.is_empty() {
            record.masters = masters;
        }
        self.keep(record);
        let distrusted = self.failed.is_some_and(|(node, at)| {
            Some(node) == leader && now.saturating_duration_since(at) < DISTRUST
        });
        self.hint = leader.filter(|_| !distrusted);
        self.hint.is_some()
    }

    /// A leader of no lower authority has welcomed this node.
    pub(crate) fn welcomed(
        &mut self,
        leader: NodeId,
        authority: Authority,
        masters: BTreeMap<NodeId, String>,
    ) {
        let masters = if masters.is_empty() { self.record.masters.clone() } else { masters };
        let leader = Some(leader);
        self.keep(Record { version: RECORD_VERSION, authority, leader, masters });
    }

    /// The leader of this session says where the masters are now. One that was outranked since is
    /// not believed.
    pub(crate) fn welcomed_again(
        &mut self,
        leader: NodeId,
        authority: Authority,
        masters: BTreeMap<NodeId, String>,
    ) {
        if authority >= self.record.authority {
            self.welcomed(leader, authority, masters);
        }
    }

    fn keep(&mut self, mut record: Record) {
        record.version = RECORD_VERSION;
        if record == self.record {
            return;
        }
        self.record = record;
        // Each order is fenced by its own record, too, so going on without this one is safe; and
        // a host with a full disk must go on reporting.
        if let Err(error) = write_record(&self.path, &self.record) {
            warn!(%error, "the list of masters cannot be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_model::{Epoch, Term};
    use tempfile::TempDir;

    use super::*;

    fn addr(node: u64) -> (NodeId, String) {
        (NodeId(node), format!("host-{node}:9901"))
    }

    fn book(temp: &TempDir, initial: &[u64]) -> MasterBook {
        let initial = initial.iter().map(|node| addr(*node)).collect();
        MasterBook::open(temp.path(), initial).unwrap()
    }

    fn asked(book: &mut MasterBook, times: usize) -> Vec<u64> {
        (0..times).map(|_| book.next().unwrap().0.0).collect()
    }

    #[test]
    fn masters_are_asked_in_turn_and_the_hinted_one_first() {
        let temp = tempfile::tempdir().unwrap();
        let mut book = book(&temp, &[1, 2, 3]);
        assert_eq!(asked(&mut book, 4), [1, 2, 3, 1]);
        let masters: BTreeMap<_, _> = [1, 2, 3].map(addr).into();
        assert!(book.redirected(Some(NodeId(3)), masters, Instant::now()));
        assert_eq!(asked(&mut book, 3), [3, 1, 2]);
    }

    #[test]
    fn a_leader_that_just_failed_is_not_asked_on_anothers_word() {
        let temp = tempfile::tempdir().unwrap();
        let mut book = book(&temp, &[1, 2]);
        let now = Instant::now();
        book.failed(NodeId(2), now);
        assert!(!book.redirected(Some(NodeId(2)), BTreeMap::new(), now));
        assert!(book.redirected(Some(NodeId(2)), BTreeMap::new(), now + DISTRUST));
    }

    #[test]
    fn a_leader_whose_session_broke_is_asked_after_the_others() {
        let temp = tempfile::tempdir().unwrap();
        let mut book = book(&temp, &[1, 2, 3]);
        book.redirected(Some(NodeId(2)), BTreeMap::new(), Instant::now());
        assert_eq!(asked(&mut book, 1), [2]);
        book.welcomed(NodeId(2), Authority::default(), BTreeMap::new());
        book.failed(NodeId(2), Instant::now());
        assert_eq!(asked(&mut book, 3), [3, 1, 2]);
    }

    #[test]
    fn leader_masters_and_authority_survive_a_restart() {
        let temp = tempfile::tempdir().unwrap();
        let authority = Authority { epoch: Epoch(2), term: Term(9) };
        book(&temp, &[1]).welcomed(NodeId(5), authority, [4, 5, 6].map(addr).into());
        let mut book = book(&temp, &[1]);
        assert_eq!(book.authority(), authority);
        assert_eq!(asked(&mut book, 5), [5, 6, 1, 4, 5]);
    }

    #[test]
    fn nobody_is_asked_when_nobody_is_known() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(book(&temp, &[]).next(), None);
    }
}
