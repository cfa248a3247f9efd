//! Validated names: what a person calls a thing. Names can be reused; ids cannot.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// A text that cannot be a name, with what a name of that kind looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {kind}: {rule}")]
pub struct InvalidName {
    /// The refused text.
    pub text: String,
    /// Which kind of name was expected.
    pub kind: &'static str,
    /// What such a name may look like.
    pub rule: &'static str,
}

const LABEL_RULE: &str =
    "use 1 to 63 lower-case letters, digits and inner hyphens, beginning with a letter or digit";

/// A DNS label in lower case: safe in host names, file names and URLs.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

const USER_RULE: &str =
    "use 1 to 63 of a-z, 0-9, `.`, `_`, `-` and `@`, beginning with a letter or digit";

fn is_user(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-@".contains(&b))
}

const KEY_RULE: &str =
    "use 1 to 256 of A-Z, a-z, 0-9, `.`, `_`, `-` and inner `/`, without empty or `..` segments";

fn is_setting_key(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b))
        && text.split('/').all(|segment| !segment.is_empty() && segment != "." && segment != "..")
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:ident, $rule:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// When the text does not follow the rule for this kind of name.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidName> {
                let text = text.into();
                if $check(&text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidName { text, kind: $kind, rule: $rule })
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

name! {
    /// A node's name, unique among the living nodes; identity is the [`crate::NodeId`].
    NodeName, "node name", is_label, LABEL_RULE
}
name! {
    /// A managed service's name, such as the etcd cluster `orders`.
    ComponentName, "component name", is_label, LABEL_RULE
}
name! {
    /// An instance's name, unique in the cluster, such as `orders-1`.
    InstanceName, "instance name", is_label, LABEL_RULE
}
name! {
    /// The kind of a component: `etcd`, `process`, ...
    PackName, "pack name", is_label, LABEL_RULE
}
name! {
    /// A person's or program's login name.
    UserName, "user name", is_user, USER_RULE
}
name! {
    /// A key of the settings space.
    SettingKey, "setting key", is_setting_key, KEY_RULE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_rules() {
        for good in ["a", "db-2", "0", "orders-1"] {
            assert!(NodeName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a b", "../x"] {
            assert!(NodeName::new(bad).is_err(), "{bad}");
        }
        assert!(NodeName::new("x".repeat(64)).is_err());
        for good in ["a", "a/b", "A.b_c-d/e"] {
            assert!(SettingKey::new(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "a/../b", "a b"] {
            assert!(SettingKey::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bad_name_is_refused_by_serde_too() {
        let error = serde_json::from_str::<NodeName>("\"NO\"").unwrap_err().to_string();
        assert!(error.contains("`NO` is not a valid node name"), "{error}");
    }
}
