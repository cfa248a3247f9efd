//! `cargo xtask sim`: the simulation of masters, for as many seeds or as long as one likes.
#![expect(clippy::print_stderr, reason = "a task talks to the person who started it")]

use std::process::ExitCode;

use crate::{
    Repository,
    command::{cargo, run_alone},
};

const TEST: &str = "sim::tests::seeds_that_nobody_has_looked_at_hold_as_well";

#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    minutes: Option<u64>,
    seeds: Option<u64>,
    seed: Option<u64>,
}

/// Runs it. Each seed runs every scenario; some run twice and must give the same bytes.
#[must_use]
pub fn main(repository: &Repository, arguments: &[&str]) -> ExitCode {
    let wanted = match parse(arguments) {
        Ok(wanted) => wanted,
        Err(reason) => {
            eprintln!(
                "error: {reason}\n\nUsage: cargo xtask sim [--minutes N] [--seeds N] [--seed S]"
            );
            return ExitCode::from(2);
        }
    };
    // Not nextest, which ends a test that takes long.
    let line = ["test", "--release", "--package", "quorate-raft", "--features", "sim", "--lib"];
    let mut command = cargo(repository, &line);
    command.args(["--", "--exact", TEST, "--nocapture"]);
    let variables = [
        ("QUORATE_SIM_MINUTES", wanted.minutes),
        ("QUORATE_SIM_SEEDS", wanted.seeds),
        ("QUORATE_SEED", wanted.seed),
    ];
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value.to_string()),
            None => command.env_remove(name),
        };
    }
    run_alone(&mut command)
}

/// Ten minutes, unless something else is asked for.
fn parse(arguments: &[&str]) -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    for pair in arguments.chunks(2) {
        let value = match pair {
            [name, word] => {
                word.parse().map_err(|_| format!("{name} takes a number, not `{word}`"))
            }
            _ => Err(format!("`{}` takes a number", pair.concat())),
        };
        match pair.first() {
            Some(&"--minutes") => wanted.minutes = Some(value?),
            Some(&"--seeds") => wanted.seeds = Some(value?),
            Some(&"--seed") => wanted.seed = Some(value?),
            _ => return Err(format!("`{}` is not understood", pair.join(" "))),
        }
    }
    if wanted.minutes.is_none() && wanted.seeds.is_none() {
        wanted.minutes = Some(10);
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_in_any_order_and_wrong_ones_are_named() {
        let wanted = |minutes, seeds, seed| Ok(Wanted { minutes, seeds, seed });
        assert_eq!(parse(&[]), wanted(Some(10), None, None));
        assert_eq!(parse(&["--seed", "7"]), wanted(Some(10), None, Some(7)));
        assert_eq!(parse(&["--seed", "7", "--seeds", "20"]), wanted(None, Some(20), Some(7)));
        assert_eq!(parse(&["--seeds", "20", "--minutes", "3"]), wanted(Some(3), Some(20), None));
        assert!(parse(&["--minutes", "soon"]).unwrap_err().contains("`soon`"));
        assert!(parse(&["--seeds"]).unwrap_err().contains("`--seeds` takes"));
        assert!(parse(&["--hours", "1"]).unwrap_err().contains("`--hours 1`"));
    }
}
