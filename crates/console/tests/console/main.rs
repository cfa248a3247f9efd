//! The console through its real router, over samples.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod harness;
mod pages;
