//! The client against a small master in the same process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod errors;
mod events;
mod failover;
mod fake;
mod paths;
