//! Names of objects: safe as a path below a folder and as a key in an object store.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The text cannot name an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name an object: use 1 to 512 of A-Z, a-z, 0-9, `.`, `_`, `-` and inner `/`, no \
     segment empty or beginning with `.`"
)]
pub struct InvalidObjectName(String);

/// An object's name: segments of letters, digits, `.`, `_` and `-`, separated by `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ObjectName(String);

impl ObjectName {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// When the text does not follow the rule.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidObjectName> {
        let text = text.into();
        let fits = (1..=512).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
            // A segment must be a file name, and names with a leading dot are for temporary files.
            && text.split('/').all(|segment| {
                !segment.is_empty() && !segment.starts_with('.') && segment.len() <= 200
            });
        if fits { Ok(Self(text)) } else { Err(InvalidObjectName(text)) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ObjectName {
    type Err = InvalidObjectName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for ObjectName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_names_stay_below_their_folder() {
        for good in ["a", "a/b", "2026-01-02T03.04.05Z/kms/part_1.q"] {
            assert!(ObjectName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", ".a", "a/.b", "a b", "a\\b", "a\0"] {
            assert!(ObjectName::new(bad).is_err(), "{bad}");
        }
        assert!(ObjectName::new("x".repeat(201)).is_err());
        assert!(ObjectName::new(["x"; 257].join("/")).is_err());
    }
}
