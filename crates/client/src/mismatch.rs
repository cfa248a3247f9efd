//! Tells from a failed exchange that URL and port speak different protocols.

use std::{error::Error, fmt, io};

use quorate_model::{Refusal, codes};

/// How what answers differs from what the URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// `https://` met a port that speaks no TLS.
    NoTls,
    /// The port does not answer in HTTP: `http://` met one that wants TLS, or it is the internal one.
    NoHttp,
    /// `https://` met a certificate that this host does not trust.
    Untrusted {
        /// What is wrong with it.
        reason: String,
    },
}

impl Mismatch {
    /// What a failed request says about it; nothing when it failed for other reasons.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        use rustls::{AlertDescription, Error as Tls, InvalidMessage};
        match find::<Tls>(error) {
            // The first bytes are those of no TLS record, but of `HTTP/1.1 400 Bad Request`.
            Some(Tls::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            )) => return Some(Self::NoTls),
            // The internal port, which speaks TLS, and within it nothing that is meant for people.
            Some(Tls::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
                return Some(Self::NoHttp);
            }
            Some(error @ Tls::InvalidCertificate(_)) => {
                return Some(Self::Untrusted { reason: error.to_string() });
            }
            _ => {}
        }
        find::<hyper::Error>(error).filter(|error| error.is_parse()).map(|_| Self::NoHttp)
    }

    /// The same in the words of an answer.
    pub(crate) fn refusal(&self, what: &str) -> Refusal {
        let (message, cause, hint) = match self {
            Self::NoTls => (
                format!("{what} speaks no TLS"),
                self.to_string(),
                "a master's admin port speaks HTTP: write http:// instead of https://, which is \
                 for a proxy in front of it",
            ),
            Self::NoHttp => (
                format!("{what} does not answer in HTTP"),
                self.to_string(),
                "take the admin port (8080 unless it was changed), not the internal one (9901), \
                 which is for nodes; a proxy that speaks TLS wants https://",
            ),
            Self::Untrusted { reason } => (
                format!("the certificate of {what} is not trusted here"),
                reason.clone(),
                "the internal port (9901 unless it was changed) is for nodes and has such a \
                 certificate: take the admin port, by http://HOST:8080; for a proxy in front of \
                 it, let this host trust the proxy's authority",
            ),
        };
        Refusal::new(codes::MASTER_UNREACHABLE, message).cause(cause).hint(hint)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTls => f.write_str("it was asked by https:// and answered without TLS"),
            Self::NoHttp => f.write_str("it was asked in HTTP and answered in something else"),
            Self::Untrusted { reason } => f.write_str(reason),
        }
    }
}

/// The first error of this type among an error and its causes. An error of the operating system's
/// type hides the one it carries from the chain of causes.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = carried.and_then(|carried| find(carried)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}
