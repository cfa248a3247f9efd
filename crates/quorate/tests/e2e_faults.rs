//! Five masters on hosts of their own, clocks up to two hours apart, under hundreds of faults:
//! two never lead in one term, no minority acknowledges a write, and what clients see is
//! linearizable.
//!
//! `cargo xtask chaos` runs the same for as long as one likes, by these variables:
//! `QUORATE_SEED`, and `QUORATE_CHAOS_MINUTES`.

use std::time::{Duration, Instant};

use quorate_testkit::{Dice, chaos::Chaos};

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");
/// All faults of a run that has no number of minutes.
const FAULTS: u32 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_makes_two_leaders_in_a_term_or_a_history_that_is_not_linearizable() {
    let minutes: Option<u64> =
        std::env::var("QUORATE_CHAOS_MINUTES").ok().and_then(|minutes| minutes.parse().ok());
    let begun = Instant::now();
    let mut chaos = Chaos::start(QUORATE, Dice::seed()).await;
    chaos.cut_every_single_link().await;
    chaos.strike_the_leader_with_each_fault().await;
    let mut faults = chaos.report().faults;
    loop {
        let left = match minutes {
            Some(minutes) if begun.elapsed() < Duration::from_secs(60 * minutes) => u32::MAX,
            Some(_) => 0,
            None => FAULTS.saturating_sub(faults),
        };
        if left == 0 {
            break;
        }
        faults += chaos.strike_at_random(left).await;
        println!("{} s: {:?}", begun.elapsed().as_secs(), chaos.report());
    }
    let report = chaos.report();
    println!("in {} s: {report:?}", begun.elapsed().as_secs());
    // What must not happen is only worth something when enough has happened.
    assert!(report.terms >= 10 && report.asked > 500, "{report:?}");
    assert!(report.answered > 2000 && report.minority_in_vain > 10, "{report:?}");
}
