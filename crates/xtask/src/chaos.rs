//! `cargo xtask chaos`: the fault tests of five masters, for as long as one likes.
#![expect(clippy::print_stderr, reason = "a task talks to the person who started it")]

use std::process::ExitCode;

use crate::{
    Repository,
    command::{cargo, run_alone},
};

/// Minutes, and the seed when one was given.
type Wanted = (u64, Option<u64>);

/// Runs it. The build is that of the tests: clocks can only be set in it.
#[must_use]
pub fn main(repository: &Repository, arguments: &[&str]) -> ExitCode {
    let (minutes, seed) = match parse(arguments) {
        Ok(wanted) => wanted,
        Err(reason) => {
            eprintln!("error: {reason}\n\nUsage: cargo xtask chaos [--minutes N] [--seed S]");
            return ExitCode::from(2);
        }
    };
    // Not nextest, which ends a test that takes long.
    let line = ["test", "--package", "quorate", "--test", "e2e_faults", "--", "--nocapture"];
    let mut command = cargo(repository, &line);
    command.env("QUORATE_CHAOS_MINUTES", minutes.to_string());
    if let Some(seed) = seed {
        command.env("QUORATE_SEED", seed.to_string());
    }
    run_alone(&mut command)
}

fn parse(arguments: &[&str]) -> Result<Wanted, String> {
    let number = |name: &str, word: &str| {
        word.parse::<u64>().map_err(|_| format!("{name} takes a number, not `{word}`"))
    };
    match arguments {
        [] => Ok((10, None)),
        ["--minutes", minutes, rest @ ..] => {
            let (_, seed) = parse(rest)?;
            Ok((number("--minutes", minutes)?, seed))
        }
        ["--seed", seed, rest @ ..] => {
            let (minutes, _) = parse(rest)?;
            Ok((minutes, Some(number("--seed", seed)?)))
        }
        [word, ..] => Err(format!("`{word}` is not understood")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_in_any_order_and_wrong_ones_are_named() {
        assert_eq!(parse(&[]), Ok((10, None)));
        assert_eq!(parse(&["--minutes", "3", "--seed", "7"]), Ok((3, Some(7))));
        assert_eq!(parse(&["--seed", "7", "--minutes", "3"]), Ok((3, Some(7))));
        assert!(parse(&["--minutes", "soon"]).unwrap_err().contains("`soon`"));
        assert!(parse(&["--hours", "1"]).unwrap_err().contains("`--hours`"));
    }
}
