//! `cargo xtask bench`: hands over to the benchmarks, built for release.
#![expect(clippy::print_stderr, reason = "a task talks to the person who started it")]

use std::process::ExitCode;

use crate::{Repository, command};

/// Runs `quorate-bench` with these arguments.
#[must_use]
pub fn main(repository: &Repository, arguments: &[&str]) -> ExitCode {
    let mut line = vec!["run", "--release", "--package", "quorate-bench", "--"];
    line.extend(arguments);
    match command::run(&mut command::cargo(repository, &line)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
