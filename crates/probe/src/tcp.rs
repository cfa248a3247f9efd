//! The tcp probe: does anything accept a connection there.

use std::{fmt, time::Duration};

use tokio::net::TcpStream;

use crate::{ProbeResult, root_cause};

/// Connects to a port and closes the connection again without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpProbe {
    /// A host name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl TcpProbe {
    /// Asks once; `up` when the connection was accepted within `timeout`.
    pub async fn probe(&self, timeout: Duration) -> ProbeResult {
        ProbeResult::of(timeout, async {
            match TcpStream::connect((self.host.as_str(), self.port)).await {
                Ok(_stream) => Ok("connection accepted".to_owned()),
                Err(error) => Err(root_cause(&error)),
            }
        })
        .await
    }
}

impl fmt::Display for TcpProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "tcp://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "tcp://{}:{}", self.host, self.port)
        }
    }
}
