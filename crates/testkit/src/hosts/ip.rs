//! iproute2, called for its effects.

use std::process::{Command, Stdio};

/// Runs `ip` with these words.
///
/// # Errors
/// What was run and what it said.
pub(super) fn ip(words: &str) -> Result<(), String> {
    run(Command::new("ip").args(words.split_whitespace()), &format!("ip {words}"))
}

/// Sets a kernel setting (a path below `/proc/sys`) in a network namespace.
///
/// # Errors
/// What was run and what it said.
pub(super) fn set(namespace: &str, setting: &str, value: &str) -> Result<(), String> {
    let line = format!("echo {value} > /proc/sys/{setting}");
    run(Command::new("ip").args(["netns", "exec", namespace, "sh", "-c", &line]), &line)
}

fn run(command: &mut Command, what: &str) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{what}` cannot be run: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("`{what}`: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// The names of the network namespaces there are.
pub(super) fn namespaces() -> Vec<String> {
    // The folder is there when the first namespace was made.
    std::fs::read_dir("/run/netns")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}
