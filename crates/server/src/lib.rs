//! The ports of a master: REST on the admin port and on the local unix socket, and the internal
//! port with mutual TLS.
//!
//! Handlers are thin: they read a request, call one use case of `quorate-control`, and write the
//! answer. A follower passes calls that only the leader can answer on to it, so that every master
//! answers alike.

mod admin;
mod authorize;
mod events;
mod internal;
mod metrics;
mod openapi;
mod out_of_service;
mod proxy;
pub mod rest;

pub use admin::{AdminOptions, admin_router, serve_admin, serve_local};
pub use authorize::{KnownPeers, peer_of, require_member};
pub use internal::{InternalServices, serve_internal};
pub use openapi::document as openapi_document;
pub use out_of_service::out_of_service_router;
pub use proxy::LeaderLink;
