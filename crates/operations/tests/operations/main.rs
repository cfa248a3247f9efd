//! The engine against a small world on paused time: leaders change at every boundary, people
//! intervene, members fail, answers get lost.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod actor;
mod answers;
mod cluster;
mod leaders;
mod people;
mod undo;
mod waits;
