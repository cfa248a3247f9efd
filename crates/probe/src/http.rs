//! The http probe: does a GET answer with the status, and perhaps the words, it should.

use std::{fmt, time::Duration};

use reqwest::{Url, redirect};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::{ProbeResult, root_cause};

/// How much of a body is searched; what a health page has to say stands at its beginning.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// An http probe could not be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpProbeError {
    /// The URL is not one that can be asked.
    #[error("`{url}` cannot be probed: {reason}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The authority's certificate cannot be read.
    #[error("the certificate of the authority cannot be read: {0}")]
    Authority(String),
    /// The client cannot be made.
    #[error("the http client cannot be made")]
    Client(#[source] reqwest::Error),
}

/// Sends a GET and looks at the status and, when asked to, for words in the body.
#[derive(Debug, Clone)]
pub struct HttpProbe {
    url: Url,
    client: reqwest::Client,
    status: Option<u16>,
    body_contains: Option<String>,
}

impl HttpProbe {
    /// A probe of an `http` URL; any status of 200 to 299 is good.
    ///
    /// # Errors
    /// When the text is no `http://host…` URL.
    pub fn new(url: &str) -> Result<Self, HttpProbeError> {
        Self::with_roots(url, "http", RootCertStore::empty())
    }

    /// A probe of an `https` URL whose server certificate the authority in `ca_pem` has signed;
    /// any status of 200 to 299 is good. The system's authorities are not consulted.
    ///
    /// # Errors
    /// When the text is no `https://host…` URL or the PEM holds no certificate.
    pub fn with_authority(url: &str, ca_pem: &[u8]) -> Result<Self, HttpProbeError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem) {
            let certificate =
                certificate.map_err(|error| HttpProbeError::Authority(error.to_string()))?;
            roots.add(certificate).map_err(|error| HttpProbeError::Authority(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(HttpProbeError::Authority("there is none in the text".to_owned()));
        }
        Self::with_roots(url, "https", roots)
    }

    fn with_roots(url: &str, scheme: &str, roots: RootCertStore) -> Result<Self, HttpProbeError> {
        let refuse = |reason: String| HttpProbeError::Url { url: url.to_owned(), reason };
        let parsed = Url::parse(url).map_err(|error| refuse(error.to_string()))?;
        if parsed.scheme() != scheme {
            return Err(refuse(match parsed.scheme() {
                "https" => "https needs the certificate of the server's authority".to_owned(),
                other => format!("its scheme is `{other}`, not `{scheme}`"),
            }));
        }
        // The provider is named, because a process-wide default is not this crate's to install.
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| refuse(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .map_err(HttpProbeError::Client)?;
        Ok(Self { url: parsed, client, status: None, body_contains: None })
    }

    /// Only this status is good.
    #[must_use]
    pub fn expect_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The first 64 KiB of the body must hold these words.
    #[must_use]
    pub fn expect_body(mut self, words: impl Into<String>) -> Self {
        self.body_contains = Some(words.into());
        self
    }

    /// Asks once; `up` when the answer came within `timeout` and is as expected.
    pub async fn probe(&self, timeout: Duration) -> ProbeResult {
        ProbeResult::of(timeout, self.ask()).await
    }

    async fn ask(&self) -> Result<String, String> {
        let mut response =
            self.client.get(self.url.clone()).send().await.map_err(|error| root_cause(&error))?;
        let status = response.status();
        match self.status {
            Some(expected) if status.as_u16() != expected => {
                return Err(format!("status {} instead of {expected}", status.as_u16()));
            }
            None if !status.is_success() => return Err(format!("status {}", status.as_u16())),
            _ => {}
        }
        let Some(words) = &self.body_contains else {
            return Ok(format!("status {}", status.as_u16()));
        };
        let mut body = Vec::new();
        while body.len() < BODY_BYTES_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(format!("the body breaks off: {}", root_cause(&error))),
            }
        }
        body.truncate(BODY_BYTES_MAX);
        if String::from_utf8_lossy(&body).contains(words.as_str()) {
            Ok(format!("status {} with `{words}` in the body", status.as_u16()))
        } else {
            Err(format!("status {} without `{words}` in the body", status.as_u16()))
        }
    }
}

impl PartialEq for HttpProbe {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
            && self.status == other.status
            && self.body_contains == other.body_contains
    }
}

impl fmt::Display for HttpProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url)
    }
}
