//! Binaries of Quorate on a master's disk, for upgrades.

use serde::{Deserialize, Serialize};

/// How far a binary is on a master's disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BinaryView {
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// How many bytes are there: where the next part begins.
    pub received: u64,
    /// Its length in bytes once it is whole; 0 before.
    pub size: u64,
    /// What it says of itself, once it is whole and was tried; `null` before.
    #[serde(default)]
    pub facts: Option<BinaryFactsView>,
}

/// What a binary says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BinaryFactsView {
    /// Its version.
    pub version: String,
    /// The processor architecture it was built for.
    pub architecture: String,
    /// The oldest feature level it reads.
    pub oldest_level: u32,
    /// The newest feature level it reads.
    pub newest_level: u32,
}

/// Which part of a binary is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BinaryPart {
    /// Where the part begins.
    pub offset: u64,
    /// The length of the whole binary, in bytes.
    pub size: u64,
}
