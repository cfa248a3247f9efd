//! What handlers share, and what they take from a request: the caller, the bearer token, the
//! idempotency key, the expected revision.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, FromRef, FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use quorate_control::{Control, Principal, use_cases::access};
use quorate_model::{Refusal, RequestId, Revision, codes};

use super::failure::Failure;
use crate::{LeaderLink, metrics::HttpMetrics};

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) control: Control,
    pub(crate) leader: Arc<dyn LeaderLink>,
    pub(crate) metrics: Arc<HttpMetrics>,
}

impl FromRef<Admin> for Control {
    fn from_ref(admin: &Admin) -> Self {
        admin.control.clone()
    }
}

/// Marks a request that came through the unix socket, which only root can open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalRoot;

/// Who asks. Its presence in a handler's arguments is the handler's login check.
pub(crate) struct Caller(pub(crate) Principal);

impl FromRequestParts<Admin> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Failure> {
        if parts.extensions.get::<LocalRoot>().is_some() {
            return Principal::local_root().map(Caller).map_err(Failure::from);
        }
        let token = bearer(&parts.headers).unwrap_or_default();
        Ok(Self(access::authenticate(&admin.control, token).await?))
    }
}

/// Where a request comes from, for the log.
pub(crate) struct From(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(match address {
            Some(ConnectInfo(address)) => address.to_string(),
            None if parts.extensions.get::<LocalRoot>().is_some() => "the local socket".to_owned(),
            None => "an unknown address".to_owned(),
        }))
    }
}

/// The token of `Authorization: Bearer TOKEN`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// `Idempotency-Key`, when the request has one.
pub(crate) struct Idempotency(pub(crate) Option<RequestId>);

impl<S: Send + Sync> FromRequestParts<S> for Idempotency {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default();
        let id = RequestId::new(text).map_err(|_| {
            Refusal::new(codes::REQUEST_MALFORMED, "the Idempotency-Key is not usable")
                .hint("use 1 to 128 visible ASCII characters, such as a UUID")
        })?;
        Ok(Self(Some(id)))
    }
}

/// `If-Match: REVISION`, when the request has one.
pub(crate) struct Expected(pub(crate) Option<Revision>);

impl<S: Send + Sync> FromRequestParts<S> for Expected {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let revision = value
            .to_str()
            .ok()
            .and_then(|text| text.trim().trim_matches('"').parse().ok())
            .ok_or_else(|| {
                Refusal::new(codes::REQUEST_MALFORMED, "If-Match is not a revision")
                    .hint("send the number that `revision` had when it was read; 0 for a new key")
            })?;
        Ok(Self(Some(revision)))
    }
}

/// The bearer token itself.
pub(crate) struct Token(pub(crate) String);

impl<S: Send + Sync> OptionalFromRequestParts<S> for Token {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Failure> {
        Ok(bearer(&parts.headers).map(|token| Self(token.to_owned())))
    }
}

/// The query of the address, with a refusal in our words when it is not what it should be.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: serde::de::DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|query| Self(query.0)).map_err(|error| {
            Refusal::new(codes::REQUEST_MALFORMED, "the query is not what this call expects")
                .cause(error.body_text())
                .hint("GET /admin/api/openapi.json describes it")
                .into()
        })
    }
}

/// What the address names, with a refusal in our words when it cannot be read.
pub(crate) struct Path<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: serde::de::DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path =
            <axum::extract::Path<T> as FromRequestParts<S>>::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0)).map_err(|error| {
            Refusal::new(codes::REQUEST_MALFORMED, "the path cannot be read")
                .cause(error.body_text())
                .hint("names are UTF-8 and percent-encoded where they must be")
                .into()
        })
    }
}

/// A JSON body, with a refusal in our words when it is not what it should be.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: serde::de::DeserializeOwned, S: Send + Sync> axum::extract::FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Failure> {
        let bytes = axum::body::Bytes::from_request(request, state).await.map_err(|error| {
            Refusal::new(codes::VALUE_TOO_LARGE, "the body cannot be read").cause(error.to_string())
        })?;
        // No body at all stands for an empty object: every field of such a type has a default.
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Self).map_err(|error| {
            Refusal::new(codes::REQUEST_MALFORMED, "the body is not what this call expects")
                .cause(error.to_string())
                .hint("GET /admin/api/openapi.json describes it")
                .into()
        })
    }
}
