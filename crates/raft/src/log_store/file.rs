//! The log file: one redb database holding vote, committed, purged and the entries, every value
//! sealed for its place. Synchronous; the writer thread (or the simulator) calls it.

use std::{
    io,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use redb::{
    Builder, Database, Durability, ReadableDatabase, ReadableTable, StorageBackend,
    TableDefinition, backends::InMemoryBackend,
};

use crate::{
    RaftError,
    ondisk::{Record, RecordError},
    proto::record::Identity,
    types::{Entry, LogId, Vote},
    vault::Vault,
};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");

const FORMAT_KEY: &str = "format";
const IDENTITY_KEY: &str = "identity";
const VOTE_KEY: &str = "vote";
const COMMITTED_KEY: &str = "committed";
const PURGED_KEY: &str = "purged";
/// The id of the last entry. Says at boot that entries are missing at the end.
const LAST_KEY: &str = "last";

/// The layout of tables and keys; the records carry their own version.
const FILE_FORMAT: u32 = 1;
/// redb's page cache; the entries that matter are in the tail.
const CACHE_BYTES: usize = 16 * 1024 * 1024;
/// After every end without a close, redb walks the whole file: that is told with progress 0, and
/// again from 0.6 on. In between it speaks only when the pages of the last transaction do not
/// verify, so that it takes that transaction back. A test holds this version of redb to that.
const TAKEN_BACK: Range<f64> = 0.1..0.5;

/// One change of the log file.
#[derive(Debug)]
pub(crate) enum Change {
    Append(Vec<Entry>),
    Vote(Vote),
    Committed(Option<LogId>),
    /// Remove every entry from this index on; the log then ends with the given id.
    Truncate {
        from: u64,
        last: Option<LogId>,
    },
    /// Remove every entry up to this one, but no more than so many in one transaction.
    Purge {
        upto: LogId,
        at_most: u64,
    },
}

/// What was found when the file was opened.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) vote: Option<Vote>,
    pub(crate) committed: Option<LogId>,
    pub(crate) purged: Option<LogId>,
    /// Every entry, oldest first.
    pub(crate) entries: Vec<Entry>,
    /// The last transaction was torn and has been taken back.
    pub(crate) torn: bool,
}

pub(crate) struct LogFile {
    /// `None` once closed: tasks that outlive the shutdown then fail instead of holding the file.
    database: RwLock<Option<Database>>,
    path: PathBuf,
    vault: Vault,
}

impl LogFile {
    /// Opens or creates the file and verifies every record in it.
    pub(crate) fn open(path: &Path, vault: Vault) -> Result<(Self, Loaded), RaftError> {
        Self::open_with(path, vault, |builder| builder.create(path))
    }

    /// Reads and verifies the file without changing it, not even where an interrupted write is to
    /// be repaired: that is done on a copy in memory.
    pub(crate) fn read_only(path: &Path, vault: Vault) -> Result<Loaded, RaftError> {
        let bytes = std::fs::read(path).map_err(|error| RaftError::file("read", path, error))?;
        let image = InMemoryBackend::new();
        let filled = image.set_len(bytes.len() as u64).and_then(|()| image.write(0, &bytes));
        filled.map_err(|error| RaftError::file("read", path, error))?;
        drop(bytes);
        let opened = Self::open_with(path, vault, |builder| builder.create_with_backend(image));
        opened.map(|(file, loaded)| {
            file.close();
            loaded
        })
    }

    fn open_with(
        path: &Path,
        vault: Vault,
        database: impl FnOnce(&mut Builder) -> Result<Database, redb::DatabaseError>,
    ) -> Result<(Self, Loaded), RaftError> {
        let opened = {
            let vault = vault.clone();
            || Self::open_and_verify(path, vault, database)
        };
        // redb trusts its pages: damage can make it panic instead of returning an error.
        match catch_unwind(AssertUnwindSafe(opened)) {
            Ok(opened) => opened,
            Err(_) => Err(corrupt(&vault, path, "the database cannot be read".to_owned())),
        }
    }

    fn open_and_verify(
        path: &Path,
        vault: Vault,
        database: impl FnOnce(&mut Builder) -> Result<Database, redb::DatabaseError>,
    ) -> Result<(Self, Loaded), RaftError> {
        let mut builder = Database::builder();
        let torn = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&torn);
        builder.set_cache_size(CACHE_BYTES).set_repair_callback(move |session| {
            if TAKEN_BACK.contains(&session.progress()) {
                noted.store(true, Ordering::Relaxed);
            }
        });
        let database = database(&mut builder).map_err(|error| open_error(&vault, path, error))?;
        let file = Self { database: RwLock::new(Some(database)), path: path.to_owned(), vault };
        file.check_identity()?;
        let loaded = Loaded { torn: torn.load(Ordering::Relaxed), ..file.load()? };
        Ok((file, loaded))
    }

    /// Applies changes in order, in one transaction that is on disk when this returns; answers up
    /// to where there is still something to purge.
    pub(crate) fn apply(&self, changes: &[Change]) -> io::Result<Option<LogId>> {
        self.with(|database| {
            let mut unpurged = None;
            let mut transaction = database.begin_write().map_err(into_io)?;
            transaction.set_durability(Durability::Immediate).map_err(into_io)?;
            {
                let mut meta = transaction.open_table(META).map_err(into_io)?;
                let mut log = transaction.open_table(LOG).map_err(into_io)?;
                let mut put = |key: &str, plain: Vec<u8>| -> io::Result<()> {
                    let sealed = self.vault.seal_record(key, 0, &plain);
                    meta.insert(key, sealed.as_slice()).map_err(into_io)?;
                    Ok(())
                };
                let mut last = None;
                for change in changes {
                    match change {
                        Change::Append(entries) => {
                            for entry in entries {
                                let index = entry.log_id.index;
                                let sealed =
                                    self.vault.seal_record("log", index, &entry.to_bytes());
                                log.insert(index, sealed.as_slice()).map_err(into_io)?;
                            }
                            last = entries.last().map(|entry| entry.log_id).or(last);
                        }
                        Change::Vote(vote) => put(VOTE_KEY, vote.to_bytes())?,
                        Change::Committed(committed) => {
                            put(COMMITTED_KEY, optional_bytes(committed.as_ref()))?;
                        }
                        Change::Truncate { from, last: now } => {
                            log.retain_in(*from.., |_, _| false).map_err(into_io)?;
                            put(LAST_KEY, optional_bytes(now.as_ref()))?;
                            last = None;
                        }
                        Change::Purge { upto, at_most } => {
                            let end = self.purge_end(&log, upto, *at_most)?;
                            log.retain_in(..=end.index, |_, _| false).map_err(into_io)?;
                            put(PURGED_KEY, end.to_bytes())?;
                            unpurged = (end < *upto).then_some(*upto);
                        }
                    }
                }
                if let Some(last) = last {
                    put(LAST_KEY, last.to_bytes())?;
                }
            }
            transaction.commit().map_err(into_io)?;
            Ok(unpurged)
        })
    }

    /// The last entry to remove in one transaction. A log that goes as a whole goes at once: what
    /// is appended next need not follow on it, and a hole would be taken for damage.
    fn purge_end(
        &self,
        log: &redb::Table<'_, u64, &'static [u8]>,
        upto: &LogId,
        at_most: u64,
    ) -> io::Result<LogId> {
        let ends = (log.first().map_err(into_io)?, log.last().map_err(into_io)?);
        let (Some((first, _)), Some((last, _))) = ends else { return Ok(*upto) };
        let end = first.value().saturating_add(at_most).saturating_sub(1);
        if end >= upto.index || upto.index >= last.value() {
            return Ok(*upto);
        }
        let Some(sealed) = log.get(end).map_err(into_io)? else { return Ok(*upto) };
        let entry = self.decode_entry(end, sealed.value());
        entry.map(|entry| entry.log_id).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("log entry {end}: {error}"))
        })
    }

    /// Reads the entries of `range` that exist, at most about `limit_bytes` of them but at least
    /// one.
    pub(super) fn read(&self, from: u64, to: u64, limit_bytes: usize) -> io::Result<Vec<Entry>> {
        self.with(|database| {
            let transaction = database.begin_read().map_err(into_io)?;
            let log = transaction.open_table(LOG).map_err(into_io)?;
            let mut entries = Vec::new();
            let mut bytes = 0;
            for item in log.range(from..to).map_err(into_io)? {
                let (index, sealed) = item.map_err(into_io)?;
                bytes += sealed.value().len();
                if bytes > limit_bytes && !entries.is_empty() {
                    break;
                }
                let entry = self.decode_entry(index.value(), sealed.value()).map_err(|error| {
                    io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("log entry {}: {error}", index.value()),
                    )
                })?;
                entries.push(entry);
            }
            Ok(entries)
        })
    }

    /// Closes the database. Whoever still holds the store gets errors from here on.
    pub(crate) fn close(&self) {
        let closed = self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        // A database that failed may panic while it tidies up; it is repaired by the next open.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(closed)));
    }

    fn with<T>(&self, work: impl FnOnce(&Database) -> io::Result<T>) -> io::Result<T> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        guard.as_ref().map_or_else(|| Err(io::Error::other("the log store is closed")), work)
    }

    /// The first record says whose log this is, so that a wrong keyring or folder is told apart
    /// from damage.
    fn check_identity(&self) -> Result<(), RaftError> {
        let identity =
            Identity { cluster: self.vault.cluster().to_string(), node: self.vault.node().0 };
        let found = self.with(|database| {
            let transaction = database.begin_write().map_err(into_io)?;
            let found = {
                let mut meta = transaction.open_table(META).map_err(into_io)?;
                transaction.open_table(LOG).map_err(into_io)?;
                let stored =
                    |meta: &redb::Table<'_, &str, &[u8]>, key| -> io::Result<Option<Vec<u8>>> {
                        Ok(meta.get(key).map_err(into_io)?.map(|value| value.value().to_vec()))
                    };
                let format = stored(&meta, FORMAT_KEY)?;
                let sealed = stored(&meta, IDENTITY_KEY)?;
                if format.is_none() && sealed.is_none() {
                    let sealed = self.vault.seal_record(IDENTITY_KEY, 0, &identity.to_bytes());
                    meta.insert(FORMAT_KEY, FILE_FORMAT.to_be_bytes().as_slice())
                        .map_err(into_io)?;
                    meta.insert(IDENTITY_KEY, sealed.as_slice()).map_err(into_io)?;
                    None
                } else {
                    Some((format.unwrap_or_default(), sealed.unwrap_or_default()))
                }
            };
            if found.is_none() {
                transaction.commit().map_err(into_io)?;
            } else {
                transaction.abort().map_err(into_io)?;
            }
            Ok(found)
        });
        let Some((format, sealed)) = found.map_err(|error| self.read_error(error))? else {
            return Ok(());
        };
        let found = format
            .try_into()
            .map(u32::from_be_bytes)
            .map_err(|_| self.corrupt("it has no format version".to_owned()))?;
        if found > FILE_FORMAT {
            return Err(RaftError::FormatTooNew {
                what: "log",
                path: self.path.clone(),
                found,
                supported: FILE_FORMAT,
            });
        }
        if found < FILE_FORMAT {
            return Err(self.corrupt(format!("its format version {found} never existed")));
        }
        let wrong = || RaftError::WrongKeyring { node: self.vault.node(), path: self.path.clone() };
        let plain = self.vault.unseal_record(IDENTITY_KEY, 0, &sealed).map_err(|_| wrong())?;
        match Identity::from_bytes(&plain) {
            Ok(stored) if stored == identity => Ok(()),
            _ => Err(wrong()),
        }
    }

    fn load(&self) -> Result<Loaded, RaftError> {
        let vote = self.meta::<Vote>(VOTE_KEY)?;
        let committed = self.meta::<LogId>(COMMITTED_KEY)?;
        let purged = self.meta::<LogId>(PURGED_KEY)?;
        let last = self.meta::<LogId>(LAST_KEY)?;
        let entries = self.load_entries(purged.as_ref())?;

        let expected = last.as_ref().max(purged.as_ref()).map(|id| id.index);
        let found =
            entries.last().map(|entry| entry.log_id.index).or(purged.as_ref().map(|id| id.index));
        if expected > found {
            return Err(self.corrupt(format!(
                "its entries end at {} but {} were written",
                show(found),
                show(expected)
            )));
        }
        Ok(Loaded { vote, committed, purged, entries, torn: false })
    }

    /// A transaction is on the disk as a whole or not at all, so every entry that is found was
    /// written completely and may have been acknowledged: one that does not open is damage, the
    /// last one too.
    fn load_entries(&self, purged: Option<&LogId>) -> Result<Vec<Entry>, RaftError> {
        // Collected still sealed, so that the database's errors and the records' stay apart.
        let sealed = self
            .with(|database| {
                let transaction = database.begin_read().map_err(into_io)?;
                let log = transaction.open_table(LOG).map_err(into_io)?;
                let mut sealed = Vec::new();
                for item in log.iter().map_err(into_io)? {
                    let (index, value) = item.map_err(into_io)?;
                    sealed.push((index.value(), value.value().to_vec()));
                }
                Ok(sealed)
            })
            .map_err(|error| self.read_error(error))?;

        let mut entries: Vec<Entry> = Vec::with_capacity(sealed.len());
        let mut expected = purged.map(|id| id.index + 1);
        for (index, value) in sealed {
            if expected.is_some_and(|expected| expected != index) {
                return Err(self.corrupt(format!("entry {} is missing", show(expected))));
            }
            expected = Some(index + 1);
            match self.decode_entry(index, &value) {
                Ok(entry) => entries.push(entry),
                Err(EntryError::Record(RecordError::TooNew { found })) => {
                    return Err(RaftError::FormatTooNew {
                        what: "log",
                        path: self.path.clone(),
                        found: u32::from(found),
                        supported: u32::from(crate::ondisk::RECORD_VERSION),
                    });
                }
                Err(error) => return Err(self.corrupt(format!("entry {index}: {error}"))),
            }
        }
        Ok(entries)
    }

    fn decode_entry(&self, index: u64, sealed: &[u8]) -> Result<Entry, EntryError> {
        let plain =
            self.vault.unseal_record("log", index, sealed).map_err(|_| EntryError::Unseal)?;
        let entry = Entry::from_bytes(&plain)?;
        if entry.log_id.index == index {
            Ok(entry)
        } else {
            Err(EntryError::Index(entry.log_id.index))
        }
    }

    fn meta<R: Record>(&self, key: &'static str) -> Result<Option<R>, RaftError> {
        let sealed = self
            .with(|database| {
                let transaction = database.begin_read().map_err(into_io)?;
                let meta = transaction.open_table(META).map_err(into_io)?;
                Ok(meta.get(key).map_err(into_io)?.map(|value| value.value().to_vec()))
            })
            .map_err(|error| self.read_error(error))?;
        let Some(sealed) = sealed else { return Ok(None) };
        let plain = self
            .vault
            .unseal_record(key, 0, &sealed)
            .map_err(|_| self.corrupt(format!("its `{key}` record does not unseal")))?;
        if plain.is_empty() {
            return Ok(None);
        }
        match R::from_bytes(&plain) {
            Ok(value) => Ok(Some(value)),
            Err(RecordError::TooNew { found }) => Err(RaftError::FormatTooNew {
                what: "log",
                path: self.path.clone(),
                found: u32::from(found),
                supported: u32::from(crate::ondisk::RECORD_VERSION),
            }),
            Err(error) => Err(self.corrupt(format!("its `{key}` record: {error}"))),
        }
    }

    fn corrupt(&self, reason: String) -> RaftError {
        corrupt(&self.vault, &self.path, reason)
    }

    fn read_error(&self, error: io::Error) -> RaftError {
        if error.kind() == io::ErrorKind::InvalidData {
            self.corrupt(error.to_string())
        } else {
            RaftError::file("read", &self.path, error)
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum EntryError {
    #[error("it does not unseal")]
    Unseal,
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("it is entry {0}")]
    Index(u64),
}

/// An absent id is an empty record, which is sealed like any other.
fn optional_bytes(id: Option<&LogId>) -> Vec<u8> {
    id.map(Record::to_bytes).unwrap_or_default()
}

fn show(index: Option<u64>) -> String {
    index.map_or_else(|| "none".to_owned(), |index| index.to_string())
}

fn corrupt(vault: &Vault, path: &Path, reason: String) -> RaftError {
    RaftError::Corrupt { what: "log", node: vault.node(), path: path.to_owned(), reason }
}

fn open_error(vault: &Vault, path: &Path, error: redb::DatabaseError) -> RaftError {
    match error {
        redb::DatabaseError::DatabaseAlreadyOpen => {
            RaftError::FolderInUse { folder: path.parent().unwrap_or(path).to_owned() }
        }
        other => {
            let error = into_io(other);
            match error.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                    corrupt(vault, path, error.to_string())
                }
                _ => RaftError::file("open", path, error),
            }
        }
    }
}

/// Keeps the operating system's own error where there is one: a full disk must be recognisable.
fn into_io(error: impl Into<redb::Error>) -> io::Error {
    match error.into() {
        redb::Error::Io(error) => error,
        error @ (redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_)) => {
            io::Error::new(io::ErrorKind::InvalidData, error.to_string())
        }
        other => io::Error::other(other.to_string()),
    }
}
