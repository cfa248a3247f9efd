//! The command line as a process, against a master that answers from a script.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod changes;
mod errors;
mod fake;
mod reads;
mod run;
