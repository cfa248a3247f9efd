//! Binaries of Quorate: how one is told from another, and what it can read.

use std::fmt;

use serde::{Deserialize, Serialize};

/// SHA-256 of a binary, as 64 lower-case hexadecimal digits. It is a file's name as well, so
/// nothing else can be one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BinaryDigest(String);

impl BinaryDigest {
    /// The digest as people and files write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Enough of it to tell one from another at a glance.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl TryFrom<String> for BinaryDigest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(is_digit) {
            return Ok(Self(text));
        }
        Err(format!("`{text}` is not a SHA-256 in 64 lower-case hexadecimal digits"))
    }
}

impl From<BinaryDigest> for String {
    fn from(digest: BinaryDigest) -> Self {
        digest.0
    }
}

impl fmt::Display for BinaryDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The feature levels a binary reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureLevels {
    /// The oldest.
    pub from: u32,
    /// The newest.
    pub to: u32,
}

impl FeatureLevels {
    /// Whether a cluster of that level can be read.
    #[must_use]
    pub const fn read(self, level: u32) -> bool {
        self.from <= level && level <= self.to
    }
}

impl fmt::Display for FeatureLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}

/// What a binary says of itself when it is asked for its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BinaryFacts {
    /// Its version.
    pub version: String,
    /// The processor architecture it was built for, such as `x86_64`.
    pub architecture: String,
    /// The feature levels it reads.
    pub feature_levels: FeatureLevels,
}

/// A binary that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binary {
    /// Its digest.
    pub sha256: BinaryDigest,
    /// Its length in bytes.
    pub size: u64,
    /// What it says of itself.
    #[serde(flatten)]
    pub facts: BinaryFacts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_digest_names_a_binary() {
        assert!(BinaryDigest::try_from("0f".repeat(32)).is_ok());
        let bad = ["", "0f", "../../etc/passwd", &"0F".repeat(32), &"0g".repeat(32)];
        for text in bad {
            assert!(BinaryDigest::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_level_is_read_between_the_oldest_and_the_newest() {
        let levels = FeatureLevels { from: 2, to: 4 };
        assert_eq!([1, 2, 4, 5].map(|level| levels.read(level)), [false, true, true, false]);
    }
}
