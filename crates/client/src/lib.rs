//! The typed client of REST: one method for each call, with retries that apply a change once.
//!
//! A [`Client`] speaks to the masters of one cluster: through the unix socket of the node at hand
//! or through one or several base URLs, of which it uses whichever answers. Every change carries
//! an `Idempotency-Key`; when a leader dies under it, the client repeats the change with the same
//! key until the cluster says what became of it or the deadline passes.

mod call;
mod calls;
mod client;
mod connection;
mod endpoint;
mod error;
mod events;
mod mismatch;
mod sse;

pub use calls::{Consistency, Submitted};
pub use client::Client;
pub use endpoint::Endpoint;
pub use error::ClientError;
pub use events::{Event, EventStream};
pub use mismatch::Mismatch;
