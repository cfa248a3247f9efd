//! Probes: small questions asked of a service from outside, each answered with up or not up, how
//! long it took, and in words what was seen.
//!
//! A probe has no memory and no schedule; who asks, how often, and what several observers make of
//! the answers is decided elsewhere. A probe never goes through a proxy, never reuses a
//! connection and never follows a redirect: what it sees is the service named and nothing else.

mod http;
mod spec;
mod tcp;

use std::time::Duration;

pub use http::{HttpProbe, HttpProbeError};
pub use spec::{ParseProbeError, ProbeSpec};
pub use tcp::TcpProbe;

/// What one probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    /// Whether the service answered as it should.
    pub up: bool,
    /// How long the answer took, or how long it was waited for.
    pub latency: Duration,
    /// What was seen, in words, such as `status 200` or `connection refused`.
    pub detail: String,
}

impl ProbeResult {
    /// Runs `question` for no longer than `timeout` and measures it.
    async fn of(timeout: Duration, question: impl Future<Output = Result<String, String>>) -> Self {
        let started = tokio::time::Instant::now();
        let answer = tokio::time::timeout(timeout, question)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} ms", timeout.as_millis())));
        let latency = started.elapsed();
        let (up, detail) = match answer {
            Ok(detail) => (true, detail),
            Err(detail) => (false, detail),
        };
        Self { up, latency, detail }
    }
}

/// The innermost reason of an error: the outer ones repeat the address that the caller knows.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
