//! The bytes of every record on disk: one version byte, then this crate's own protobuf.
//!
//! Nothing that openraft serializes reaches the disk. A record of a newer version is refused with
//! its version, never guessed at; fields may be added within a version.

mod convert;

use prost::Message;

pub(crate) use convert::{
    entry_from, entry_to, log_id_from, log_id_to, snapshot_meta_from, snapshot_meta_to, vote_from,
    vote_to,
};

use crate::{
    proto::record,
    types::{Entry, LogId, SnapshotMeta, Vote},
};

/// The version this binary writes and the newest it reads.
pub(crate) const RECORD_VERSION: u8 = 1;

/// Why bytes are not a record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("the record is empty")]
    Empty,
    #[error("the record has format version {found}; this binary reads up to {RECORD_VERSION}")]
    TooNew { found: u8 },
    #[error("the record has format version {found}, which never existed")]
    UnknownVersion { found: u8 },
    #[error("the record cannot be decoded: {0}")]
    Malformed(#[from] prost::DecodeError),
    #[error("the record lacks its {0}")]
    Missing(&'static str),
    #[error("the record holds an impossible membership: {0}")]
    Membership(String),
}

/// A value that is a record of its own.
pub(crate) trait Record: Sized {
    type Wire: Message + Default;

    fn to_wire(&self) -> Self::Wire;
    fn from_wire(wire: Self::Wire) -> Result<Self, RecordError>;

    fn to_bytes(&self) -> Vec<u8> {
        let wire = self.to_wire();
        let mut bytes = Vec::with_capacity(wire.encoded_len() + 1);
        bytes.push(RECORD_VERSION);
        wire.encode_raw(&mut bytes);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        match bytes.split_first() {
            None => Err(RecordError::Empty),
            Some((&RECORD_VERSION, body)) => Self::from_wire(Self::Wire::decode(body)?),
            Some((&found, _)) if found < RECORD_VERSION => {
                Err(RecordError::UnknownVersion { found })
            }
            Some((&found, _)) => Err(RecordError::TooNew { found }),
        }
    }
}

impl Record for Vote {
    type Wire = record::Vote;

    fn to_wire(&self) -> Self::Wire {
        vote_to(self)
    }

    fn from_wire(wire: Self::Wire) -> Result<Self, RecordError> {
        Ok(vote_from(&wire))
    }
}

impl Record for LogId {
    type Wire = record::LogId;

    fn to_wire(&self) -> Self::Wire {
        log_id_to(self)
    }

    fn from_wire(wire: Self::Wire) -> Result<Self, RecordError> {
        Ok(log_id_from(&wire))
    }
}

impl Record for Entry {
    type Wire = record::Entry;

    fn to_wire(&self) -> Self::Wire {
        entry_to(self)
    }

    fn from_wire(wire: Self::Wire) -> Result<Self, RecordError> {
        entry_from(wire)
    }
}

impl Record for record::Identity {
    type Wire = Self;

    fn to_wire(&self) -> Self {
        self.clone()
    }

    fn from_wire(wire: Self) -> Result<Self, RecordError> {
        Ok(wire)
    }
}

/// A snapshot as one record: its metadata and the encoded state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SnapshotRecord {
    pub(crate) meta: SnapshotMeta,
    pub(crate) state: prost::bytes::Bytes,
}

impl Record for SnapshotRecord {
    type Wire = record::Snapshot;

    fn to_wire(&self) -> Self::Wire {
        record::Snapshot { meta: Some(snapshot_meta_to(&self.meta)), state: self.state.clone() }
    }

    fn from_wire(wire: Self::Wire) -> Result<Self, RecordError> {
        let meta = wire.meta.ok_or(RecordError::Missing("snapshot metadata"))?;
        Ok(Self { meta: snapshot_meta_from(meta)?, state: wire.state })
    }
}

#[cfg(test)]
mod tests;
