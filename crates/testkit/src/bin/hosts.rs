//! `cargo xtask hosts`: hosts for a person, who changes the network between them line by line.
#![expect(clippy::print_stderr, reason = "it talks to the person who started it")]

use std::{
    io::{BufRead as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use quorate_testkit::hosts::{Hosts, Link};

const HELP: &str = "\
  cut A B           packets from host A to host B vanish; those from B to A arrive
  cut-both A B      nothing passes between A and B
  part A [B ...]    nothing passes between these hosts and the others
  delay A B MS      packets from A to B arrive so many milliseconds later
  heal [A B]        the way from A to B is whole again; without names, every way
  run A COMMAND     runs a shell command on host A
  show              the hosts and what is broken between them
  quit              takes everything down; so does the end of input
";

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Order {
    Cut(usize, usize),
    CutBoth(usize, usize),
    Part(Vec<usize>),
    Delay(usize, usize, Duration),
    Heal(usize, usize),
    HealAll,
    Run(usize, String),
    Show,
    Help,
    Nothing,
    Quit,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = match arguments.as_slice() {
        [] => Some(3),
        [count] => count.parse().ok().filter(|&count| count > 0),
        _ => None,
    };
    let Some(count) = count else {
        eprintln!("Usage: cargo xtask hosts [COUNT]\n\nThen, line by line:\n{HELP}");
        return ExitCode::from(2);
    };
    let hosts = match Hosts::build(count) {
        Ok(hosts) => hosts,
        Err(reason) => {
            eprintln!("error: {reason}");
            return ExitCode::FAILURE;
        }
    };
    show(&hosts);
    eprintln!(
        "They are there until this ends (quit, or end of input). `help` tells what it knows."
    );
    talk(&hosts);
    ExitCode::SUCCESS
}

fn talk(hosts: &Hosts) {
    loop {
        eprint!("hosts> ");
        drop(std::io::stderr().flush());
        let mut line = String::new();
        match std::io::stdin().lock().read_line(&mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        match parse(&line, hosts.count()) {
            Ok(Order::Quit) => return,
            Ok(order) => carry_out(hosts, order),
            Err(reason) => eprintln!("{reason}; `help` tells what there is"),
        }
    }
}

fn carry_out(hosts: &Hosts, order: Order) {
    match order {
        Order::Cut(from, to) => hosts.cut(from, to),
        Order::CutBoth(one, other) => hosts.cut_both_ways(one, other),
        Order::Part(some) => hosts.part(&some),
        Order::Delay(from, to, by) => hosts.delay(from, to, by),
        Order::Heal(from, to) => hosts.heal(from, to),
        Order::HealAll => hosts.heal_all(),
        Order::Run(host, command) => {
            match hosts.command(host, "sh").args(["-c", &command]).status() {
                Ok(status) => eprintln!("{status}"),
                Err(error) => eprintln!("cannot be run: {error}"),
            }
        }
        Order::Show => show(hosts),
        Order::Help => eprint!("{HELP}"),
        Order::Nothing | Order::Quit => {}
    }
}

fn show(hosts: &Hosts) {
    for host in 0..hosts.count() {
        eprintln!(
            "  host {host}: {}   ip netns exec {} COMMAND",
            hosts.address(host),
            hosts.namespace(host)
        );
    }
    for ((from, to), link) in hosts.broken() {
        match link {
            Link::Cut => eprintln!("  {from} -> {to}: cut"),
            Link::Delayed(by) => eprintln!("  {from} -> {to}: {} ms later", by.as_millis()),
        }
    }
}

fn parse(line: &str, count: usize) -> Result<Order, String> {
    let host = |word: &str| match word.parse() {
        Ok(host) if host < count => Ok(host),
        _ => Err(format!("`{word}` is no host; they are 0 to {}", count - 1)),
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    Ok(match words.as_slice() {
        [] => Order::Nothing,
        ["cut", from, to] => Order::Cut(host(from)?, host(to)?),
        ["cut-both", one, other] => Order::CutBoth(host(one)?, host(other)?),
        ["part", some @ ..] if !some.is_empty() => {
            Order::Part(some.iter().map(|word| host(word)).collect::<Result<_, _>>()?)
        }
        ["delay", from, to, ms] => {
            let ms = ms.parse().map_err(|_| format!("`{ms}` is no number of milliseconds"))?;
            Order::Delay(host(from)?, host(to)?, Duration::from_millis(ms))
        }
        ["heal"] => Order::HealAll,
        ["heal", from, to] => Order::Heal(host(from)?, host(to)?),
        ["run", on, command @ ..] if !command.is_empty() => {
            Order::Run(host(on)?, command.join(" "))
        }
        ["show"] => Order::Show,
        ["help"] => Order::Help,
        ["quit" | "exit"] => Order::Quit,
        _ => return Err(format!("`{}` is not understood", line.trim())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood_or_refused_as_in_the_table() {
        let table = [
            ("cut 0 1\n", Ok(Order::Cut(0, 1))),
            ("cut-both 1 2", Ok(Order::CutBoth(1, 2))),
            ("part 0 2", Ok(Order::Part(vec![0, 2]))),
            ("delay 2 0 150", Ok(Order::Delay(2, 0, Duration::from_millis(150)))),
            ("heal", Ok(Order::HealAll)),
            ("heal 0 1", Ok(Order::Heal(0, 1))),
            ("run 1 ip -br addr", Ok(Order::Run(1, "ip -br addr".to_owned()))),
            ("", Ok(Order::Nothing)),
            ("cut 0 3", Err("`3` is no host; they are 0 to 2".to_owned())),
            ("delay 0 1 soon", Err("`soon` is no number of milliseconds".to_owned())),
            ("part", Err("`part` is not understood".to_owned())),
        ];
        for (line, expected) in table {
            assert_eq!(parse(line, 3), expected, "{line}");
        }
    }
}
