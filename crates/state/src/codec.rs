//! The bytes of proposals, outcomes and snapshots: MessagePack with named fields behind a version
//! byte, so that unknown fields are tolerated and missing ones take their defaults (docs/adr/0004).

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{Outcome, Proposal, State};

/// The version of the encoding itself (not of the fields, which name themselves).
pub const FORMAT_VERSION: u8 = 1;

/// Bytes that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Nothing to read.
    #[error("the {what} is empty")]
    Empty {
        /// What was being read.
        what: &'static str,
    },
    /// Written by a newer binary.
    #[error("the {what} has format version {found}; this binary reads up to {FORMAT_VERSION}")]
    TooNew {
        /// What was being read.
        what: &'static str,
        /// The version found.
        found: u8,
    },
    /// No version there ever was: damaged, or not ours.
    #[error("the {what} has format version {found}, which never existed: it is damaged")]
    UnknownVersion {
        /// What was being read.
        what: &'static str,
        /// The version found.
        found: u8,
    },
    /// Not what it should be.
    #[error("cannot decode the {what}: {source}")]
    Decode {
        /// What was being read.
        what: &'static str,
        /// Why.
        source: rmp_serde::decode::Error,
    },
    /// Cannot be written.
    #[error("cannot encode the {what}: {source}")]
    Encode {
        /// What was being written.
        what: &'static str,
        /// Why.
        source: rmp_serde::encode::Error,
    },
}

fn encode(what: &'static str, value: &impl Serialize) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(FORMAT_VERSION);
    rmp_serde::encode::write_named(&mut bytes, value)
        .map_err(|source| CodecError::Encode { what, source })?;
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, CodecError> {
    match bytes.split_first() {
        None => Err(CodecError::Empty { what }),
        Some((&FORMAT_VERSION, body)) => {
            rmp_serde::from_slice(body).map_err(|source| CodecError::Decode { what, source })
        }
        Some((&found, _)) if found < FORMAT_VERSION => {
            Err(CodecError::UnknownVersion { what, found })
        }
        Some((&found, _)) => Err(CodecError::TooNew { what, found }),
    }
}

impl Proposal {
    /// The proposal as bytes.
    ///
    /// # Errors
    /// Never for a proposal this binary can hold; the type says so to the caller that stores it.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        encode("proposal", self)
    }

    /// Reads a proposal.
    ///
    /// # Errors
    /// When the bytes are damaged, or hold a command of a newer binary: such a node must stop,
    /// never skip.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        decode("proposal", bytes)
    }
}

impl State {
    /// The whole state as bytes; equal states give equal bytes.
    ///
    /// # Errors
    /// Never for a state this binary can hold.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        encode("snapshot", self)
    }

    /// Hex SHA-256 of the whole state: two masters with the same log have the same.
    ///
    /// # Errors
    /// Never for a state this binary can hold.
    pub fn sha256(&self) -> Result<String, CodecError> {
        Ok(quorate_model::hex(&Sha256::digest(self.encode()?)))
    }

    /// Reads a state.
    ///
    /// # Errors
    /// When the bytes are damaged or of a newer format.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        decode("snapshot", bytes)
    }
}

/// Outcomes travel from the leader to the master that forwarded the proposal.
pub trait OutcomeCodec: Sized {
    /// The outcome as bytes.
    ///
    /// # Errors
    /// Never for an outcome this binary can hold.
    fn encode(&self) -> Result<Vec<u8>, CodecError>;

    /// Reads an outcome.
    ///
    /// # Errors
    /// When the bytes are damaged or of a newer format.
    fn decode(bytes: &[u8]) -> Result<Self, CodecError>;
}

impl OutcomeCodec for Outcome {
    fn encode(&self) -> Result<Vec<u8>, CodecError> {
        encode("outcome", self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        decode("outcome", bytes)
    }
}
