//! `cargo xtask bench`: hands over to the benchmarks, built for release.

use std::process::ExitCode;

use crate::{Repository, command::hand_over};

/// Runs `quorate-bench` with these arguments.
#[must_use]
pub fn main(repository: &Repository, arguments: &[&str]) -> ExitCode {
    hand_over(repository, &["run", "--release", "--package", "quorate-bench", "--"], arguments)
}
