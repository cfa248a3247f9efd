//! `cargo xtask hosts`: hosts of network namespaces with links that can be cut, for a person.

use std::process::ExitCode;

use crate::{Repository, command::hand_over};

/// Runs the testkit's `hosts` with these arguments.
#[must_use]
pub fn main(repository: &Repository, arguments: &[&str]) -> ExitCode {
    let line = ["run", "--quiet", "--package", "quorate-testkit", "--bin", "hosts", "--"];
    hand_over(repository, &line, arguments)
}
