//! Runs programs in the repository, showing what is run.
#![expect(clippy::print_stderr, reason = "a task talks to the person who started it")]

use std::{
    env, io,
    process::{Command, ExitCode, Stdio},
};

use crate::Repository;

/// Set by `cargo run` for this program only. Some build scripts depend on them, so passing them on
/// would make `cargo xtask test` and a plain `cargo build` rebuild each other's work.
const OWN_VARIABLES: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];

/// A call of cargo itself, in the repository.
pub(crate) fn cargo(repository: &Repository, arguments: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(repository.root());
    for (name, _) in env::vars_os() {
        let own =
            name.to_str().is_some_and(|name| OWN_VARIABLES.iter().any(|own| name.starts_with(own)));
        if own {
            command.env_remove(name);
        }
    }
    command
}

/// Shows the command, runs it with this terminal, and says whether it was successful.
///
/// # Errors
/// One line that names the command, when it cannot be started or fails.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = shown(command);
    eprintln!("\n==> {shown}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` failed ({status})")),
        Err(error) => Err(format!("cannot start `{shown}`: {error}")),
    }
}

/// Runs another program of the repository, which cargo builds first: `line` and then `arguments`
/// are cargo's.
pub(crate) fn hand_over(repository: &Repository, line: &[&str], arguments: &[&str]) -> ExitCode {
    let line: Vec<&str> = line.iter().chain(arguments).copied().collect();
    run_alone(&mut cargo(repository, &line))
}

/// Runs the one command that a task consists of.
pub(crate) fn run_alone(command: &mut Command) -> ExitCode {
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the command can be started and is successful; its output is not shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let status: io::Result<_> =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The command as one would type it; cargo without its folder.
fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy();
    command
        .get_args()
        .fold(name.into_owned(), |line, argument| format!("{line} {}", argument.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_named_as_one_would_type_it() {
        let error = run(Command::new("/bin/sh").args(["-c", "exit 3"])).unwrap_err();
        assert!(error.starts_with("`sh -c exit 3` failed"), "{error}");
        let error = run(&mut Command::new("/nowhere/at-all")).unwrap_err();
        assert!(error.starts_with("cannot start `at-all`"), "{error}");
    }
}
