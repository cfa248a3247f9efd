//! `/settings`: the linearizable key-value space.

use quorate_api::rest::{SettingBody, SettingView, SettingWritten};
use reqwest::Method;

use crate::{Client, ClientError, call::Call};

/// What a read of a setting may return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistency {
    /// Nothing older than any change that was answered before.
    #[default]
    Linearizable,
    /// What the master at hand has applied, even without a quorum.
    Stale,
}

impl Consistency {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Linearizable => "linearizable",
            Self::Stale => "stale",
        }
    }
}

impl Client {
    /// The settings whose keys begin with `prefix`, all for an empty one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn settings(
        &self,
        prefix: &str,
        consistency: Consistency,
    ) -> Result<Vec<SettingView>, ClientError> {
        let call = Call::get(&["settings"])?
            .query("prefix", prefix)
            .query("consistency", consistency.as_str());
        self.json(&call).await
    }

    /// One setting.
    ///
    /// # Errors
    /// [`ClientError::Api`] with `NOT_FOUND` when there is none.
    pub async fn setting(
        &self,
        key: &str,
        consistency: Consistency,
    ) -> Result<SettingView, ClientError> {
        let call = Call::get(&path(key))?.query("consistency", consistency.as_str());
        self.json(&call).await
    }

    /// Sets a setting; with `expected` only while it has that revision (0: while it does not
    /// exist).
    ///
    /// # Errors
    /// [`ClientError::Api`] with `REVISION_MISMATCH` when it has another.
    pub async fn set_setting(
        &self,
        key: &str,
        value: serde_json::Value,
        expected: Option<u64>,
    ) -> Result<SettingWritten, ClientError> {
        let call = Call::change(Method::PUT, &path(key))?
            .if_match(expected)
            .body(&SettingBody { value })?;
        self.json(&call).await
    }

    /// Deletes a setting; with `expected` only while it has that revision.
    ///
    /// # Errors
    /// [`ClientError::Api`] with `NOT_FOUND` or `REVISION_MISMATCH`.
    pub async fn delete_setting(
        &self,
        key: &str,
        expected: Option<u64>,
    ) -> Result<SettingWritten, ClientError> {
        self.json(&Call::change(Method::DELETE, &path(key))?.if_match(expected)).await
    }
}

fn path(key: &str) -> Vec<&str> {
    std::iter::once("settings").chain(key.split('/')).collect()
}
