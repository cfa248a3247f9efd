//! The simulation holds its promises, and a seed is reproducible.

use tempfile::TempDir;

use super::*;

fn run_in_own_folder(seed: u64) -> SimReport {
    let folder = TempDir::new().unwrap();
    run(seed, folder.path()).unwrap()
}

#[test]
fn no_seed_shows_two_leaders_in_a_term_a_lost_write_or_diverging_states() {
    for seed in 1..=3 {
        let report = run_in_own_folder(seed);
        assert!(report.acknowledged > 50, "seed {seed}: {}", report.acknowledged);
        assert!(report.leaders.len() > 1, "seed {seed} never changed its leader");
        assert!(report.messages.1 > 0, "seed {seed} lost no message");
    }
}

#[test]
fn a_seed_run_twice_gives_the_same_bytes() {
    let (first, second) = (run_in_own_folder(42), run_in_own_folder(42));
    if let Some(at) = first.trace.iter().zip(&second.trace).position(|(a, b)| a != b) {
        let context = |trace: &[u8]| {
            String::from_utf8_lossy(&trace[at.saturating_sub(200)..(at + 100).min(trace.len())])
                .into_owned()
        };
        panic!("{}\n---\n{}", context(&first.trace), context(&second.trace));
    }
    assert_eq!(first, second);
    assert_ne!(first.trace, run_in_own_folder(43).trace);
}
