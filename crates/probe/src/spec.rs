//! A probe written as a URL: `http://host:port/path` or `tcp://host:port`.

use std::{fmt, str::FromStr, time::Duration};

use reqwest::Url;

use crate::{HttpProbe, HttpProbeError, ProbeResult, TcpProbe};

/// The text is not a probe.
#[derive(Debug, thiserror::Error)]
pub enum ParseProbeError {
    /// It is not a URL of a scheme that can be probed.
    #[error("`{text}` is not a probe: {reason}; write http://host:port/path or tcp://host:port")]
    Form {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is an http URL that cannot be probed.
    #[error(transparent)]
    Http(#[from] HttpProbeError),
}

/// Any kind of probe.
#[derive(Debug, Clone, PartialEq)]
pub enum ProbeSpec {
    /// A GET with an expected answer.
    Http(HttpProbe),
    /// A connection.
    Tcp(TcpProbe),
}

impl ProbeSpec {
    /// Asks once; the answer comes within `timeout`, whatever the service does.
    pub async fn probe(&self, timeout: Duration) -> ProbeResult {
        match self {
            Self::Http(probe) => probe.probe(timeout).await,
            Self::Tcp(probe) => probe.probe(timeout).await,
        }
    }
}

impl FromStr for ProbeSpec {
    type Err = ParseProbeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason: String| ParseProbeError::Form { text: text.to_owned(), reason };
        let url = Url::parse(text).map_err(|error| refuse(error.to_string()))?;
        match url.scheme() {
            "http" | "https" => Ok(Self::Http(HttpProbe::new(text)?)),
            "tcp" => {
                let host = url
                    .host_str()
                    .map(|host| host.trim_start_matches('[').trim_end_matches(']').to_owned())
                    .filter(|host| !host.is_empty())
                    .ok_or_else(|| refuse("it names no host".to_owned()))?;
                let port = url.port().ok_or_else(|| refuse("it names no port".to_owned()))?;
                if !matches!(url.path(), "" | "/") {
                    return Err(refuse("a tcp probe has no path".to_owned()));
                }
                Ok(Self::Tcp(TcpProbe { host, port }))
            }
            scheme => Err(refuse(format!("there is no probe for `{scheme}`"))),
        }
    }
}

impl fmt::Display for ProbeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(probe) => probe.fmt(f),
            Self::Tcp(probe) => probe.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_shown_as_it_is_written() {
        for text in ["http://127.0.0.1:80/ready", "tcp://db-1:5432", "tcp://[::1]:5432"] {
            let spec: ProbeSpec = text.parse().unwrap();
            // `Url` leaves out a port that is the scheme's own.
            assert_eq!(spec.to_string(), text.replace(":80/", "/"));
        }
    }

    #[test]
    fn a_text_that_is_no_probe_is_refused_in_words() {
        let table = [
            ("127.0.0.1:80", "write http://host:port/path or tcp://host:port"),
            ("", "write http://host:port/path"),
            ("tcp://db-1", "it names no port"),
            ("tcp://:80", "write http://"),
            ("tcp://db-1:5432/x", "a tcp probe has no path"),
            ("tcp://db-1:99999", "invalid port number"),
            ("icmp://db-1", "there is no probe for `icmp`"),
            ("https://db-1/", "https needs the certificate of the server's authority"),
        ];
        for (text, words) in table {
            let error = text.parse::<ProbeSpec>().unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
