//! The one error body of REST: code, message, cause, hint, request id.

use quorate_model::{Code, Refusal, codes};
use serde::{Deserialize, Serialize};

/// What a request that was not fulfilled is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// The stable code; `quorate help CODE` explains it.
    #[schema(value_type = String, example = "Q2104")]
    pub code: Code,
    /// What was refused or failed.
    pub message: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Names this request in the server's log.
    #[serde(default)]
    pub request_id: String,
    /// Further refusals of the same request, when preflight found more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub others: Vec<Refusal>,
}

impl ErrorBody {
    /// The body for a refusal.
    #[must_use]
    pub fn new(refusal: Refusal, request_id: impl Into<String>) -> Self {
        Self {
            code: refusal.code,
            message: refusal.message,
            cause: refusal.cause,
            hint: refusal.hint,
            request_id: request_id.into(),
            others: Vec::new(),
        }
    }

    /// The body for several refusals, the first of which matters most.
    #[must_use]
    pub fn of_all(refusals: Vec<Refusal>, request_id: impl Into<String>) -> Self {
        let mut refusals = refusals.into_iter();
        let first = refusals
            .next()
            .unwrap_or_else(|| Refusal::new(codes::INTERNAL, "refused without a reason"));
        Self { others: refusals.collect(), ..Self::new(first, request_id) }
    }

    /// The refusal this body was made of.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        Refusal {
            code: self.code,
            message: self.message.clone(),
            cause: self.cause.clone(),
            hint: self.hint.clone(),
        }
    }
}

/// The HTTP status for an error code.
#[must_use]
pub const fn http_status(code: Code) -> u16 {
    match code.0 {
        3001 | 3002 => 401,
        3006 => 409,
        3003..=3099 => 403,
        4004 => 404,
        4009 | 4023 | 4024 | 6004 | 2000..=2999 => 409,
        4012 => 412,
        4013 => 413,
        4022 => 422,
        4503..=4599 | 1016 | 5001 | 5005 | 6003 => 503,
        1020 | 1021 => 403,
        4000..=4999 => 400,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_follow_the_codes() {
        let table = [
            (codes::UNAUTHENTICATED, 401),
            (codes::FORBIDDEN, 403),
            (codes::NOT_FOUND, 404),
            (codes::QUORUM_WOULD_BE_LOST, 409),
            (codes::RESET_NOT_CONFIRMED, 409),
            (codes::INSTANCE_LEFT_RUNNING, 409),
            (codes::REVISION_MISMATCH, 412),
            (codes::SPECIFICATION_INVALID, 422),
            (codes::NOT_READY, 503),
            (codes::NO_LEADER, 503),
            (codes::CLOCK_RESET, 503),
            (codes::INTERNAL, 500),
        ];
        for (code, status) in table {
            assert_eq!(http_status(code), status, "{code}");
        }
    }
}
