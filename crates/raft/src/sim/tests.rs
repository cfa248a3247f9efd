//! The simulation holds its promises, and a seed is reproducible.

use std::{
    collections::BTreeSet,
    env,
    path::Path,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::*;

/// Where there are, files in memory: what a sync costs on a disk changes nothing that is simulated.
fn own_folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    TempDir::new_in(memory).or_else(|_| TempDir::new()).unwrap()
}

fn run_in_own_folder(scenario: Scenario, seed: u64) -> SimReport {
    scenario.run(seed, own_folder().path()).unwrap()
}

#[test]
fn no_seed_shows_two_leaders_in_a_term_a_lost_write_or_diverging_states() {
    for seed in 1..=3 {
        let report = run_in_own_folder(Scenario::default(), seed);
        assert!(report.acknowledged > 50, "seed {seed}: {}", report.acknowledged);
        assert!(report.leaders.len() > 1, "seed {seed} never changed its leader");
        assert!(report.messages.1 > 0, "seed {seed} lost no message");
    }
}

#[test]
fn masters_join_leave_and_hand_over_while_others_fail_and_nothing_is_lost() {
    let (mut joined, mut removed, mut transferred) = (0, 0, 0);
    for seed in 1..=4 {
        let report = run_in_own_folder(Scenario::of_changes(), seed);
        assert!(report.acknowledged > 30, "seed {seed}: {}", report.acknowledged);
        joined += report.changes.0;
        removed += report.changes.1;
        transferred += report.changes.2;
    }
    assert!(
        joined > 2 && removed > 0 && transferred > 2,
        "too little changed: {joined} joined, {removed} removed, {transferred} transfers"
    );
}

#[test]
fn survivors_of_a_lost_quorum_go_on_and_the_written_off_have_no_power() {
    let (mut lost, mut told) = (0, 0);
    for seed in 1..=4 {
        let report = run_in_own_folder(Scenario::of_recoveries(), seed);
        let (made, lost_writes, were_told) = report.recoveries;
        assert_eq!(made, 2, "seed {seed}");
        assert!(report.acknowledged > 30, "seed {seed}: {}", report.acknowledged);
        let epochs: BTreeSet<u64> = report.leaders.keys().map(|(epoch, _)| *epoch).collect();
        assert_eq!(epochs.len(), 3, "seed {seed}: {:?}", report.leaders);
        lost += lost_writes;
        told += were_told;
    }
    assert!(lost > 0, "no acknowledged write was ever lost: nothing was at stake");
    assert!(told > 15, "only {told} masters of ended epochs were told so");
}

/// Each scenario in a test of its own: together they take minutes on a busy machine.
fn gives_the_same_bytes_twice(scenario: Scenario) {
    let first = run_in_own_folder(scenario, 42);
    same_again(scenario, 42, &first);
    assert_ne!(first.trace, run_in_own_folder(scenario, 43).trace);
}

#[test]
fn a_seed_run_twice_gives_the_same_bytes() {
    gives_the_same_bytes_twice(Scenario::default());
}

#[test]
fn a_seed_of_changes_run_twice_gives_the_same_bytes() {
    gives_the_same_bytes_twice(Scenario { changes: 3, ..Scenario::of_changes() });
}

#[test]
fn a_seed_of_recoveries_run_twice_gives_the_same_bytes() {
    gives_the_same_bytes_twice(Scenario::of_recoveries());
}

/// How long a run by hand goes on: `cargo xtask sim` sets these. Otherwise one seed is enough.
#[test]
fn seeds_that_nobody_has_looked_at_hold_as_well() {
    let number = |name: &str| env::var(name).ok().map(|word| word.parse::<u64>().unwrap());
    let first = number("QUORATE_SEED").unwrap_or(100);
    let minutes = number("QUORATE_SIM_MINUTES").map(|it| Duration::from_secs(60 * it));
    let wanted = number("QUORATE_SIM_SEEDS");
    let seeds = wanted.or(minutes.is_none().then_some(1));
    let begun = Instant::now();
    let is_over = |seed: u64| {
        seeds.is_some_and(|seeds| seed - first >= seeds)
            || minutes.is_some_and(|minutes| begun.elapsed() >= minutes)
    };
    let every_scenario = [
        Scenario::of_everything(),
        Scenario::of_recoveries(),
        Scenario::of_changes(),
        Scenario::default(),
    ];
    // A test that was not asked for more is short.
    let asked = wanted.is_some() || minutes.is_some();
    let scenarios = if asked { &every_scenario[..] } else { &every_scenario[..1] };
    let (mut sum, mut seed) = ((0, 0, 0), first);
    while !is_over(seed) {
        for scenario in scenarios {
            let report = scenario.run(seed, own_folder().path()).unwrap_or_else(|violation| {
                let end = violation.trace.len().saturating_sub(20_000);
                let end = String::from_utf8_lossy(&violation.trace[end..]);
                panic!("{end}\n{violation}, in {scenario:?}")
            });
            let (made, lost, told) = report.recoveries;
            sum = (sum.0 + made, sum.1 + lost, sum.2 + told);
            if seed % 16 == 15 {
                same_again(*scenario, seed, &report);
            }
        }
        seed += 1;
    }
    let (made, lost, told) = sum;
    println!(
        "seeds {first} to {}: {made} recoveries, {lost} acknowledged writes lost as the plans said, \
         {told} masters told that their epoch has ended, in {:?}",
        seed - 1,
        begun.elapsed()
    );
}

fn same_again(scenario: Scenario, seed: u64, first: &SimReport) {
    let second = run_in_own_folder(scenario, seed);
    if let Some(at) = first.trace.iter().zip(&second.trace).position(|(a, b)| a != b) {
        let context = |trace: &[u8]| {
            let shown = at.saturating_sub(200)..(at + 100).min(trace.len());
            String::from_utf8_lossy(&trace[shown]).into_owned()
        };
        panic!("seed {seed}: {}\n---\n{}", context(&first.trace), context(&second.trace));
    }
    assert!(*first == second, "seed {seed}: equal traces and different ends");
}
