//! The command line of the repository tasks.
#![expect(clippy::print_stderr, reason = "a task talks to the person who started it")]

use std::{env, process::ExitCode};

use quorate_xtask::{Repository, bench, chaos, hosts, package, sim, test, tidy};

const HELP: &str = "\
Usage: cargo xtask TASK

  tidy                  check the rules of the house
  test [--no-install]   install what the tests need (Debian, as root), then run every check
  bench [ARGS]          run the benchmarks (release build); ARGS go to them
  package [BINARY]      a Debian package of the release build, or of BINARY, in target/package
  chaos [--minutes N] [--seed S]
                        strike five masters with faults by chance, and check what must hold
  sim [--minutes N] [--seeds N] [--seed S]
                        masters in a simulation, seed after seed: crashes, cut links, joins,
                        removals, hand-overs, recoveries from lost quorum
  hosts [COUNT]         build hosts of network namespaces and change the network between them
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let repository = Repository::here();
    match words.as_slice() {
        ["tidy"] => tidy::main(&repository),
        ["test"] => test::main(&repository, test::Install::Allowed),
        ["test", "--no-install"] => test::main(&repository, test::Install::Forbidden),
        ["bench", rest @ ..] => bench::main(&repository, rest),
        ["package"] => package::main(&repository, None),
        ["package", binary] => package::main(&repository, Some(binary)),
        ["chaos", rest @ ..] => chaos::main(&repository, rest),
        ["sim", rest @ ..] => sim::main(&repository, rest),
        ["hosts", rest @ ..] => hosts::main(&repository, rest),
        [] | ["help" | "--help" | "-h"] => {
            eprint!("{HELP}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("error: `cargo xtask {}` is not a task\n\n{HELP}", words.join(" "));
            ExitCode::from(2)
        }
    }
}
