//! The simulation holds its promises, and a seed is reproducible.

use tempfile::TempDir;

use super::*;

fn run_in_own_folder(scenario: Scenario, seed: u64) -> SimReport {
    let folder = TempDir::new().unwrap();
    scenario.run(seed, folder.path()).unwrap()
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
fn a_seed_run_twice_gives_the_same_bytes() {
    for scenario in [Scenario::default(), Scenario { changes: 3, ..Scenario::of_changes() }] {
        let (first, second) = (run_in_own_folder(scenario, 42), run_in_own_folder(scenario, 42));
        if let Some(at) = first.trace.iter().zip(&second.trace).position(|(a, b)| a != b) {
            let context = |trace: &[u8]| {
                let shown = at.saturating_sub(200)..(at + 100).min(trace.len());
                String::from_utf8_lossy(&trace[shown]).into_owned()
            };
            panic!("{}\n---\n{}", context(&first.trace), context(&second.trace));
        }
        assert_eq!(first, second);
        assert_ne!(first.trace, run_in_own_folder(scenario, 43).trace);
    }
}
