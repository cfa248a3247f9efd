//! Supervision with real processes: every story starts, kills, loses and finds some.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod host;
mod identity;
mod output;
mod races;
mod starting;
mod stopping;
mod survival;
