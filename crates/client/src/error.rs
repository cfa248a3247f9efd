//! What can go wrong between a client and the masters, and how people are told.

use quorate_api::ErrorBody;
use quorate_model::{Code, Refusal, codes};

use crate::Mismatch;

/// A call that was not fulfilled.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// A master answered with an error.
    #[error("{}", body.refusal())]
    Api {
        /// What it said.
        body: Box<ErrorBody>,
        /// The HTTP status.
        status: u16,
    },
    /// No master could be asked: nothing was sent.
    #[error("connecting to {what}: {reason}")]
    Unreachable {
        /// The servers that were tried.
        what: String,
        /// Why the last one could not be reached.
        reason: String,
    },
    /// The request was sent, and no answer came: a change may or may not have been made.
    #[error("waiting for the answer of {what}: {reason}")]
    Interrupted {
        /// The server that was asked.
        what: String,
        /// How the connection ended.
        reason: String,
    },
    /// It was asked to tell something, and did not: nothing was to be changed, and nothing was.
    #[error("waiting for the answer of {what}: {reason}")]
    Silent {
        /// The server that was asked.
        what: String,
        /// How long was waited, or how the connection ended.
        reason: String,
    },
    /// Something answered that is not a master of Quorate, or not of this version.
    #[error("reading the answer of {what}: {reason}")]
    Foreign {
        /// The server that was asked.
        what: String,
        /// What was wrong with the answer.
        reason: String,
    },
    /// The URL and the port speak different protocols: nothing was done.
    #[error("speaking to {what}: {mismatch}")]
    WrongProtocol {
        /// The server that was asked.
        what: String,
        /// How they differ.
        mismatch: Mismatch,
    },
    /// The call itself was wrong; nothing was sent.
    #[error("{reason}")]
    Invalid {
        /// What was wrong.
        reason: String,
    },
}

impl ClientError {
    /// The code it is shown with.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Api { body, .. } => body.code,
            Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::Foreign { .. }
            | Self::WrongProtocol { .. } => codes::MASTER_UNREACHABLE,
            Self::Interrupted { .. } => codes::OUTCOME_UNKNOWN,
            Self::Invalid { .. } => codes::REQUEST_MALFORMED,
        }
    }

    /// Whether the masters cannot answer at present, so that the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Api { body, status } => {
                *status == 503
                    || matches!(
                        body.code,
                        codes::NOT_READY | codes::NO_LEADER | codes::OUTCOME_UNKNOWN
                    )
            }
            Self::Unreachable { .. } | Self::Interrupted { .. } | Self::Silent { .. } => true,
            Self::Foreign { .. } | Self::WrongProtocol { .. } | Self::Invalid { .. } => false,
        }
    }

    /// The same in the words and the shape that REST answers with.
    #[must_use]
    pub fn into_body(self) -> ErrorBody {
        let refusal = match self {
            Self::Api { body, .. } => return *body,
            Self::Unreachable { what, reason } => {
                let hint = if is_socket(&what) {
                    "the master on this host does not run, or not yet: quorate status\n\
                     start it: quorate start\n\
                     a master elsewhere: --server http://HOST:8080 or QUORATE_SERVER"
                } else {
                    "does a master run there, and can its admin port be reached from here? \
                     another master: --server http://HOST:8080"
                };
                Refusal::new(codes::MASTER_UNREACHABLE, format!("no master answers at {what}"))
                    .cause(reason)
                    .hint(hint)
            }
            Self::Silent { what, reason } => {
                let hint = if is_socket(&what) {
                    "the master on this host hangs or has too much to do: quorate status\n\
                     a master elsewhere: --server http://HOST:8080 or QUORATE_SERVER"
                } else {
                    "it hangs, has too much to do, or the network loses its answers; another \
                     master: --server http://HOST:8080"
                };
                Refusal::new(codes::MASTER_UNREACHABLE, format!("{what} did not answer"))
                    .cause(reason)
                    .hint(hint)
            }
            Self::Interrupted { what, reason } => Refusal::new(
                codes::OUTCOME_UNKNOWN,
                format!("{what} did not answer: a change may or may not have been made"),
            )
            .cause(reason)
            .hint("look before you repeat it: quorate status, quorate operation list"),
            Self::Foreign { what, reason } => Refusal::new(
                codes::MASTER_UNREACHABLE,
                format!("{what} did not answer as a master of Quorate"),
            )
            .cause(reason)
            .hint("is this the admin port (8080 unless it was changed) of a master?"),
            Self::WrongProtocol { what, mismatch } => mismatch.refusal(&what),
            Self::Invalid { reason } => Refusal::new(codes::REQUEST_MALFORMED, reason),
        };
        ErrorBody::new(refusal, "")
    }
}

/// Whether this names the socket of a master on this host, not the URL of one elsewhere.
fn is_socket(what: &str) -> bool {
    what.starts_with('/') || !what.contains("://")
}

/// The innermost reason of an error: what the operating system or the peer said.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
