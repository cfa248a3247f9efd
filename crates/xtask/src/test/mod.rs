//! `cargo xtask test`: installs what the tests need, then runs every check there is.
#![expect(clippy::print_stderr, reason = "a task talks to the person who started it")]

mod programs;

use std::process::{Command, ExitCode};

use crate::{
    Repository,
    command::{cargo, run, succeeds},
};

/// Whether missing programs may be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Install {
    /// By apt-get, as root.
    Allowed,
    /// Only looked for.
    Forbidden,
}

/// Runs it all; stops at the first stage that fails. Exits with 2 when a program is missing and
/// cannot be installed, with 1 when a check fails.
#[must_use]
pub fn main(repository: &Repository, install: Install) -> ExitCode {
    if let Err(reason) = programs::ensure(install) {
        eprintln!("\nerror: xtask test: {reason}");
        return ExitCode::from(2);
    }
    for mut stage in stages(repository) {
        if let Err(reason) = run(&mut stage) {
            eprintln!("\nerror: xtask test: {reason}");
            return ExitCode::FAILURE;
        }
    }
    eprintln!("\nxtask test: everything passed");
    ExitCode::SUCCESS
}

/// The binaries come first, since tests start them as processes.
fn stages(repository: &Repository) -> Vec<Command> {
    let cargo = |line: &[&str]| cargo(repository, line);
    let mut stages = vec![cargo(&["build", "--workspace", "--bins"])];
    if succeeds(&mut cargo(&["nextest", "--version"])) {
        stages.push(cargo(&["nextest", "run", "--workspace"]));
    } else {
        eprintln!(
            "cargo-nextest is not installed; `cargo test` runs the same tests, one after the other"
        );
        stages.push(cargo(&[
            "test",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--no-fail-fast",
            "--",
            "--test-threads=1",
        ]));
    }
    stages.push(cargo(&["test", "--workspace", "--doc", "--quiet"]));
    stages.push(cargo(&["fmt", "--all", "--check"]));
    stages.push(cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]));
    stages
}
