//! What needs no login: liveness, readiness, metrics.

use quorate_api::rest::ReadinessView;

use crate::{Client, ClientError, call::Call};

impl Client {
    /// Whether the process of the master lives.
    ///
    /// # Errors
    /// [`ClientError`] when it does not answer.
    pub async fn healthz(&self) -> Result<(), ClientError> {
        self.text(&Call::root("healthz")?).await.map(drop)
    }

    /// Whether the master can serve, with what is missing. "Not ready" is an answer, not an error.
    ///
    /// # Errors
    /// [`ClientError`] when it does not answer.
    pub async fn readyz(&self) -> Result<ReadinessView, ClientError> {
        let (status, text) = self.raw(&Call::root("readyz")?).await?;
        serde_json::from_str(&text).map_err(|error| ClientError::Foreign {
            what: self.servers(),
            reason: format!("HTTP {status} from /readyz: {error}"),
        })
    }

    /// The metrics of the master, in the text format of Prometheus.
    ///
    /// # Errors
    /// [`ClientError`] when it does not answer.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        self.text(&Call::root("metrics")?).await
    }
}
