//! The node manager on a host of its own, with real processes and a fake leader.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod actions;
mod certificates;
#[path = "../fixtures/clock.rs"]
mod clock;
mod etcd;
mod fake_pack;
mod fencing;
mod host;
mod keeping;
mod leader;
mod masters;
mod orders;
#[path = "../fixtures/plain.rs"]
mod plain;
mod reporting;
mod restarting;
mod survival;
