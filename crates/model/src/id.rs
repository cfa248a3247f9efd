//! Typed identifiers: an id names one thing for ever and is never reused.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use ulid::Ulid;

/// The text was not an id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ParseIdError {
    text: String,
    expected: &'static str,
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The value that follows this one.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix($prefix)
                    .and_then(|digits| digits.parse().ok())
                    .map(Self)
                    .ok_or_else(|| ParseIdError { text: text.to_owned(), expected: $expected })
            }
        }
    };
}

counter! {
    /// A host's identity in the cluster, written `n7`. A host that is replaced, even under the
    /// same name, is a new node with a new id, and an id dies once.
    NodeId, "n", "a node id such as `n7`"
}
counter! {
    /// A Raft term: at most one leader exists in each.
    Term, "", "a term"
}
counter! {
    /// A position in the replicated log.
    LogIndex, "", "a log index"
}
counter! {
    /// Counts recoveries from lost quorum; a node of an older epoch cannot rejoin.
    Epoch, "", "an epoch"
}
counter! {
    /// Orders the desired states of one instance; a node manager refuses an older one.
    Generation, "", "a generation"
}
counter! {
    /// The log index at which a record last changed; what `If-Match` and plans are pinned to.
    Revision, "", "a revision"
}

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// Makes an id of a moment and 80 random bits (the upper bits of `random` are ignored).
            #[must_use]
            pub const fn from_parts(at_ms: u64, random: u128) -> Self {
                Self(Ulid::from_parts(at_ms, random))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ulid::from_string(text)
                    .map(Self)
                    .map_err(|_| ParseIdError { text: text.to_owned(), expected: $expected })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

ulid_id! {
    /// The cluster's identity, made once by `init`.
    ClusterId, "a cluster id (26 characters)"
}
ulid_id! {
    /// One durable operation.
    OperationId, "an operation id (26 characters)"
}
ulid_id! {
    /// One join token; the token's secret is never stored, only its hash.
    TokenId, "a token id (26 characters)"
}

/// Names one change, so that a retry after a failover is applied once. Clients choose it
/// (`Idempotency-Key`); any text of 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(String);

impl RequestId {
    /// Checks and wraps a request id.
    ///
    /// # Errors
    /// When the text is empty, longer than 128 bytes, or holds anything but visible ASCII.
    pub fn new(text: impl Into<String>) -> Result<Self, ParseIdError> {
        let text = text.into();
        let fits =
            (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            Ok(Self(text))
        } else {
            Err(ParseIdError { text, expected: "1 to 128 visible ASCII characters" })
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where new ids and secrets come from: the operating system in the product, a seed in tests.
pub trait IdSource: Send + Sync {
    /// 128 random bits.
    fn random(&self) -> u128;
}
