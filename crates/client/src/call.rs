//! One call of REST as a value, so that it can be sent again.

use std::time::Duration;

use quorate_api::BASE_PATH;
use reqwest::Method;
use serde::Serialize;

use crate::ClientError;

/// How long one attempt may take before it counts as unanswered. Longer than a master takes to
/// give up on a proposal itself, so that its words are heard rather than ours.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// When a call may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing: every server is asked once, and the person hears at once.
    Read,
    /// It carries an idempotency key: again until the outcome is known.
    Keyed,
    /// It carries an idempotency key which its own success forgets, and ends logins: a repetition may
    /// be refused because an attempt whose answer was lost was done.
    Forgotten,
    /// Again only while it is certain that it was not done.
    NotDone,
}

/// What a call carries.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) content_type: &'static str,
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) if_match: Option<u64>,
    pub(crate) body: Option<Body>,
    pub(crate) repeat: Repeat,
    pub(crate) timeout: Option<Duration>,
}

impl Call {
    /// Reads below the base path.
    pub(crate) fn get(path: &[&str]) -> Result<Self, ClientError> {
        Self::below(BASE_PATH, Method::GET, path, Repeat::Read)
    }

    /// Changes below the base path.
    pub(crate) fn change(method: Method, path: &[&str]) -> Result<Self, ClientError> {
        Self::below(BASE_PATH, method, path, Repeat::Keyed)
    }

    /// Reads outside of the base path.
    pub(crate) fn root(path: &str) -> Result<Self, ClientError> {
        Self::below("", Method::GET, &[path], Repeat::Read)
    }

    fn below(
        base: &str,
        method: Method,
        path: &[&str],
        repeat: Repeat,
    ) -> Result<Self, ClientError> {
        let base = base.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
        let mut segments: Vec<String> = base.collect();
        for part in path {
            // A URL drops `.` and resolves `..`: such a name would address something else.
            if matches!(*part, "" | "." | "..") {
                return Err(ClientError::Invalid { reason: format!("`{part}` is not a name") });
            }
            segments.push((*part).to_owned());
        }
        Ok(Self {
            method,
            segments,
            query: Vec::new(),
            if_match: None,
            body: None,
            repeat,
            timeout: Some(ATTEMPT_TIMEOUT),
        })
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(crate) fn if_match(mut self, revision: Option<u64>) -> Self {
        self.if_match = revision;
        self
    }

    pub(crate) fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    pub(crate) fn endless(mut self) -> Self {
        self.timeout = None;
        self
    }

    pub(crate) fn body<T: Serialize>(mut self, body: &T) -> Result<Self, ClientError> {
        let text = serde_json::to_string(body).map_err(|error| ClientError::Invalid {
            reason: format!("the body cannot be written as JSON: {error}"),
        })?;
        self.body = Some(Body { bytes: text.into(), content_type: "application/json" });
        Ok(self)
    }

    pub(crate) fn bytes(mut self, bytes: Vec<u8>) -> Self {
        self.body = Some(Body { bytes, content_type: "application/octet-stream" });
        self
    }
}
