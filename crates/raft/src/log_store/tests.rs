//! The log store against openraft's own suite, against damage, and against the wrong keyring.

mod model;

use std::path::PathBuf;

use openraft::{
    EntryPayload, RaftLogReader, StorageError,
    testing::log::{StoreBuilder, Suite},
    vote::RaftLeaderIdExt,
};
use prost::bytes::Bytes;
use quorate_keyring::{Keyring, RootKey};
use quorate_model::{ClusterId, NodeId};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tempfile::TempDir;

use super::*;
use crate::{
    state_machine::{SnapshotFile, StateMachine},
    types::{LeaderId, Replicated, TokioConfig as C},
};

const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");

fn cluster() -> ClusterId {
    ClusterId::from_parts(1, 2)
}

fn keyring() -> Keyring {
    Keyring::create(&RootKey::generate(), cluster()).unwrap().0
}

fn vault(keyring: &Keyring) -> Vault {
    Vault::new(keyring.clone(), cluster(), NodeId(2))
}

fn entry(index: u64) -> Entry {
    let payload = Replicated::from_bytes(Bytes::from(format!("proposal {index}").into_bytes()));
    Entry {
        log_id: LogId::new(LeaderId::new_committed(1, 0), index),
        payload: EntryPayload::Normal(payload),
    }
}

struct Folder {
    folder: TempDir,
    keyring: Keyring,
}

impl Folder {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), keyring: keyring() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("log.redb")
    }

    fn open(&self) -> Result<(LogStore<C>, LogReport), RaftError> {
        LogStore::open(&self.path(), vault(&self.keyring), Failure::new(), Threading::Thread)
    }

    /// Writes entries 0 to before `count` and closes the log.
    async fn fill(&self, count: u64, committed: u64) {
        let (mut store, _) = self.open().unwrap();
        append(&mut store, (0..count).map(entry).collect()).await;
        store.save_committed(Some(entry(committed).log_id)).await.unwrap();
        store.close();
    }

    /// Flips one bit in the middle of a stored record.
    fn damage(&self, index: u64) {
        let database = Database::open(self.path()).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut log = transaction.open_table(LOG).unwrap();
            let mut value = log.get(index).unwrap().unwrap().value().to_vec();
            let middle = value.len() / 2;
            value[middle] ^= 1;
            log.insert(index, value.as_slice()).unwrap();
        }
        transaction.commit().unwrap();
    }
}

async fn append(store: &mut LogStore<C>, entries: Vec<Entry>) {
    let (sender, done) = <C as openraft::type_config::TypeConfigExt>::oneshot();
    store.append(entries, IOFlushed::signal(sender)).await.unwrap();
    done.await.unwrap().unwrap();
}

struct Builder(Keyring);

impl StoreBuilder<C, LogStore<C>, StateMachine<C>, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore<C>, StateMachine<C>), StorageError<C>> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("log.redb");
        // A tiny tail, so that the suite reads from the file too.
        let (store, _) =
            LogStore::open_with(&path, vault(&self.0), Failure::new(), Threading::Thread, 200)
                .unwrap();
        let snapshots = SnapshotFile::new(folder.path(), vault(&self.0));
        let restored = StateMachine::restore(
            snapshots,
            Failure::new(),
            Threading::Thread,
            quorate_state::FEATURE_LEVEL,
        )
        .unwrap();
        Ok((folder, store, restored.machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_store_and_state_machine_pass_the_suite_of_the_engine() {
    Suite::test_all(Builder(keyring())).await.unwrap();
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let folder = Folder::new();
    let vote = Vote::new_committed(3, 2);
    {
        let (mut store, report) = folder.open().unwrap();
        assert!(!report.initialised);
        store.save_vote(&vote).await.unwrap();
        append(&mut store, (0..100).map(entry).collect()).await;
        store.purge(entry(9).log_id).await.unwrap();
        store.truncate_after(Some(entry(89).log_id)).await.unwrap();
        store.save_committed(Some(entry(50).log_id)).await.unwrap();
        store.close();
    }
    let (mut store, report) = folder.open().unwrap();
    assert!(report.initialised);
    assert_eq!((report.entries, report.torn), (80, false));
    assert_eq!(store.read_vote().await.unwrap(), Some(vote));
    assert_eq!(store.read_committed().await.unwrap(), Some(entry(50).log_id));
    let state = store.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(entry(9).log_id));
    assert_eq!(state.last_log_id, Some(entry(89).log_id));
    let entries = store.try_get_log_entries(..).await.unwrap();
    assert_eq!(entries, (10..90).map(entry).collect::<Vec<_>>());
}

#[tokio::test]
async fn entries_that_left_the_tail_are_read_from_the_file() {
    let folder = Folder::new();
    let (mut store, _) = LogStore::<C>::open_with(
        &folder.path(),
        vault(&folder.keyring),
        Failure::new(),
        Threading::Thread,
        1_000,
    )
    .unwrap();
    for batch in 0..10 {
        append(&mut store, (batch * 10..batch * 10 + 10).map(entry).collect()).await;
    }
    assert!(store.tail().first_index() > 50, "{}", store.tail().first_index());
    let all: Vec<Entry> = (0..100).map(entry).collect();
    assert_eq!(store.try_get_log_entries(..).await.unwrap(), all);
    assert_eq!(store.try_get_log_entries(5..97).await.unwrap(), all[5..97]);
    assert!(!store.limited_get_log_entries(3, 100).await.unwrap().is_empty());
}

/// The file of a killed store: before and after one more entry was written.
async fn killed_twice(folder: &Folder) -> (Vec<u8>, Vec<u8>) {
    let (mut store, _) = folder.open().unwrap();
    append(&mut store, (0..9).map(entry).collect()).await;
    let before = std::fs::read(folder.path()).unwrap();
    append(&mut store, vec![entry(9)]).await;
    let after = std::fs::read(folder.path()).unwrap();
    store.close();
    (before, after)
}

#[tokio::test]
async fn a_torn_last_write_is_taken_back_and_reported_whatever_page_of_it_is_missing() {
    const PAGE: usize = 4096;
    let folder = Folder::new();
    let (before, after) = killed_twice(&folder).await;
    let mut tears = 0;
    // The first page, with the position of the newest transaction, is written at the end.
    for start in (PAGE..after.len()).step_by(PAGE) {
        let page = start..start + PAGE;
        if before.get(page.clone()) == after.get(page.clone()) {
            continue;
        }
        tears += 1;
        for zeroed in [false, true] {
            let mut torn = after.clone();
            if zeroed || before.len() < page.end {
                torn[page.clone()].fill(0);
            } else {
                torn[page.clone()].copy_from_slice(&before[page.clone()]);
            }
            std::fs::write(folder.path(), torn).unwrap();
            let read = LogFile::read_only(&folder.path(), vault(&folder.keyring)).unwrap();
            assert_eq!((read.torn, read.entries.len()), (true, 9), "page at {start}");
            let (mut store, report) = folder.open().unwrap();
            assert_eq!((report.torn, report.entries), (true, 9), "page at {start}");
            append(&mut store, vec![entry(9)]).await;
            store.close();
            let (store, report) = folder.open().unwrap();
            assert_eq!((report.torn, report.entries), (false, 10));
            store.close();
        }
    }
    assert!(tears > 0, "the last write changed no page");
}

#[tokio::test]
async fn a_killed_node_whose_last_write_is_whole_has_nothing_torn() {
    let folder = Folder::new();
    for (bytes, entries) in <[_; 2]>::from(killed_twice(&folder).await).into_iter().zip([9, 10]) {
        std::fs::write(folder.path(), bytes).unwrap();
        let (store, report) = folder.open().unwrap();
        assert_eq!((report.torn, report.entries), (false, entries));
        store.close();
    }
}

#[tokio::test]
async fn a_damaged_last_record_may_have_been_acknowledged_and_is_never_dropped() {
    for committed in [5, 9] {
        let folder = Folder::new();
        folder.fill(10, committed).await;
        folder.damage(9);
        let error = folder.open().map(|_| ()).unwrap_err();
        assert_eq!(error.refusal().code, quorate_model::codes::LOG_CORRUPT, "{error}");
        assert!(error.to_string().contains("entry 9"), "{error}");
    }
}

#[tokio::test]
async fn a_corrupt_earlier_record_is_refused_and_the_way_to_rebuild_is_named() {
    let folder = Folder::new();
    folder.fill(10, 9).await;
    folder.damage(4);
    let error = folder.open().map(|_| ()).unwrap_err();
    let refusal = error.refusal();
    assert_eq!(refusal.code, quorate_model::codes::LOG_CORRUPT);
    assert!(refusal.message.contains("n2") && refusal.message.contains("entry 4"), "{refusal}");
    assert!(refusal.hint.unwrap().contains("move the data folder of n2 aside"));
}

#[tokio::test]
async fn a_missing_end_of_the_log_is_noticed() {
    let folder = Folder::new();
    folder.fill(10, 3).await;
    {
        let database = Database::open(folder.path()).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(LOG).unwrap().retain_in(7.., |_, _| false).unwrap();
        transaction.commit().unwrap();
    }
    let error = folder.open().map(|_| ()).unwrap_err();
    assert!(matches!(&error, RaftError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn a_file_cut_short_or_overwritten_is_corrupt_and_never_a_panic() {
    for damage in [0_usize, 1, 2] {
        let folder = Folder::new();
        folder.fill(200, 100).await;
        let mut bytes = std::fs::read(folder.path()).unwrap();
        let middle = bytes.len() / 2;
        match damage {
            0 => bytes.truncate(middle),
            1 => bytes[..4096].fill(0xff),
            _ => bytes[4096..].fill(0),
        }
        std::fs::write(folder.path(), bytes).unwrap();
        let error = folder.open().map(|_| ()).unwrap_err();
        assert!(matches!(&error, RaftError::Corrupt { .. }), "{damage}: {error}");
    }
}

#[tokio::test]
async fn another_keyring_or_node_does_not_open_the_log() {
    let folder = Folder::new();
    folder.fill(3, 1).await;
    let others = [
        Vault::new(keyring(), cluster(), NodeId(2)),
        Vault::new(folder.keyring.clone(), cluster(), NodeId(3)),
    ];
    for other in others {
        let opened = LogStore::<C>::open(&folder.path(), other, Failure::new(), Threading::Thread);
        let error = opened.map(|_| ()).unwrap_err();
        assert!(matches!(&error, RaftError::WrongKeyring { .. }), "{error}");
    }
    folder.open().unwrap();
}

#[tokio::test]
async fn no_proposal_is_readable_in_the_file() {
    let folder = Folder::new();
    folder.fill(50, 10).await;
    let bytes = std::fs::read(folder.path()).unwrap();
    assert!(!bytes.windows(8).any(|window| window == b"proposal"));
    let database = Database::open(folder.path()).unwrap();
    let log = database.begin_read().unwrap().open_table(LOG).unwrap();
    assert_eq!(redb::ReadableTableMetadata::len(&log).unwrap(), 50);
}

#[tokio::test]
async fn a_purge_leaves_the_file_little_by_little_and_writes_go_on_meanwhile() {
    let folder = Folder::new();
    let (mut store, _) = folder.open().unwrap();
    append(&mut store, (0..2000).map(entry).collect()).await;
    store.purge(entry(1899).log_id).await.unwrap();
    assert_eq!(store.get_log_state().await.unwrap().last_purged_log_id, Some(entry(1899).log_id));
    assert!(store.try_get_log_entries(..).await.unwrap().first() == Some(&entry(1900)));
    for index in 2000..2010 {
        append(&mut store, vec![entry(index)]).await;
    }
    store.close();
    let (mut store, report) = folder.open().unwrap();
    assert_eq!((report.entries, report.purged), (110, Some(entry(1899).log_id)));
    // A log that goes as a whole goes at once, and the next entry need not follow on it.
    store.purge(entry(9000).log_id).await.unwrap();
    append(&mut store, vec![entry(9001)]).await;
    store.close();
    let (_, report) = folder.open().unwrap();
    assert_eq!((report.entries, report.purged), (1, Some(entry(9000).log_id)));
}

#[test]
fn a_purge_that_was_cut_short_is_a_sound_log() {
    let folder = Folder::new();
    let vault = vault(&folder.keyring);
    let (file, _) = LogFile::open(&folder.path(), vault.clone()).unwrap();
    let purge = Change::Purge { upto: entry(899).log_id, at_most: 100 };
    let appended = Change::Append((0..1000).map(entry).collect());
    assert_eq!(file.apply(&[appended, purge]).unwrap(), Some(entry(899).log_id));
    file.close();
    let (_, loaded) = LogFile::open(&folder.path(), vault).unwrap();
    assert_eq!(loaded.purged, Some(entry(99).log_id));
    assert_eq!(loaded.entries.len(), 900);
}
