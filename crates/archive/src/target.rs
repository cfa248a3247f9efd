//! Where objects are kept: the narrow trait every kind of storage implements.

use std::{fmt, io::Read};

use crate::{ArchiveError, ObjectName};

/// One stored object, as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its name.
    pub name: ObjectName,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A place for named objects. Calls block: use them from a blocking thread. An implementation
/// passes [`crate::conformance::check`].
pub trait ArchiveTarget: fmt::Debug + Send + Sync {
    /// The place in words, for messages; never with credentials.
    fn describe(&self) -> String;

    /// Stores all of `content` under `name`, replacing what was there, and returns its length. The
    /// object appears whole and durable or not at all: when reading `content` fails, what was
    /// there before stays.
    ///
    /// # Errors
    /// [`ArchiveError::Content`] when `content` fails, [`ArchiveError::Storage`] when storage does.
    fn put(&self, name: &ObjectName, content: &mut dyn Read) -> Result<u64, ArchiveError>;

    /// The content of an object.
    ///
    /// # Errors
    /// [`ArchiveError::Absent`], [`ArchiveError::Storage`].
    fn get(&self, name: &ObjectName) -> Result<Box<dyn Read + Send>, ArchiveError>;

    /// The objects whose names begin with `prefix` (any text; empty for all), by name.
    ///
    /// # Errors
    /// [`ArchiveError::Storage`].
    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, ArchiveError>;

    /// Removes an object; one that is not there is removed already.
    ///
    /// # Errors
    /// [`ArchiveError::Storage`].
    fn delete(&self, name: &ObjectName) -> Result<(), ArchiveError>;
}
