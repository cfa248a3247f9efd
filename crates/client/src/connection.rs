//! One HTTP connection pool to one endpoint.

use std::{sync::Arc, time::Duration};

use reqwest::Url;
use rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::{ClientError, Endpoint, error::innermost};

/// A host that is up answers a connection within milliseconds; one that is down must not hold up
/// the failover to the next.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The event stream carries a sign of life every 10 s: three missed mean that the peer is gone.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// One endpoint and the pool of connections to it.
#[derive(Debug)]
pub(crate) struct Connection {
    /// How it is named to people.
    pub(crate) name: String,
    base: Url,
    http: reqwest::Client,
}

impl Connection {
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, ClientError> {
        let unusable = |reason: String| ClientError::Invalid {
            reason: format!("{endpoint} cannot be used: {reason}"),
        };
        // A proxy of the environment is meant for the web; masters are neighbours.
        let builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .user_agent(concat!("quorate/", env!("CARGO_PKG_VERSION")));
        let (builder, base) = match endpoint {
            Endpoint::Unix(path) => {
                let base =
                    Url::parse("http://localhost/").map_err(|error| unusable(error.to_string()))?;
                (builder.unix_socket(path.as_path()), base)
            }
            Endpoint::Url(url) => (builder, url.clone()),
        };
        let builder = if base.scheme() == "https" {
            // The system's certificates judge the server. Somebody else may have installed a
            // provider before; theirs is as good.
            let _ = ring::default_provider().install_default();
            builder
        } else {
            // Plain connections need no certificates; a host without any must not fail here.
            builder.tls_backend_preconfigured(without_certificates().map_err(unusable)?)
        };
        let http = builder.build().map_err(|error| unusable(innermost(&error)))?;
        Ok(Self { name: endpoint.to_string(), base, http })
    }

    /// Begins a request to the path below the base URL.
    pub(crate) fn request(
        &self,
        method: reqwest::Method,
        segments: &[String],
    ) -> Result<reqwest::RequestBuilder, ClientError> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut path) => {
                path.pop_if_empty().extend(segments);
            }
            Err(()) => {
                let reason = format!("{} has no path", self.name);
                return Err(ClientError::Invalid { reason });
            }
        }
        Ok(self.http.request(method, url))
    }
}

fn without_certificates() -> Result<ClientConfig, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}
