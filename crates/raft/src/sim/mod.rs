//! A seeded simulation of masters: our log store, our state machine, our decisions on the
//! membership and on epochs, our recovery from lost quorum and the engine, on simulated time and a
//! simulated network, in one thread.
//!
//! A seed fixes every delay, every lost message and every election timeout, so that a failure is
//! reproduced by its seed. Running a seed twice gives identical traces.

mod network;
mod operator;
mod recovery;
mod scenario;
mod world;

use std::{collections::BTreeMap, path::Path};

pub use self::scenario::Scenario;
use crate::{
    state_machine::StateMachine,
    types::{Answer, LeaderId, Replicated},
};

openraft::declare_raft_types!(
    /// The simulator's configuration: simulated time, one thread.
    pub(crate) SimConfig:
        D = Replicated,
        R = Answer,
        LeaderId = LeaderId,
        AsyncRuntime = openraft_rt_sim::SimRuntime,
);

type SimRaft = openraft::Raft<SimConfig, StateMachine<SimConfig>>;

/// Who led, by epoch and term.
pub type Leaders = BTreeMap<(u64, u64), u64>;

/// What a simulated run gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimReport {
    /// Everything that happened, in order, with the simulated time of each event.
    pub trace: Vec<u8>,
    /// How many writes were acknowledged; all of them were found in the state in the end.
    pub acknowledged: u64,
    /// Who led in each term of each epoch.
    pub leaders: Leaders,
    /// How many messages were sent and how many of them were lost.
    pub messages: (u64, u64),
    /// How many masters joined, were removed, and were given the leadership, all to the end.
    pub changes: (u64, u64, u64),
    /// How often a lost quorum was recovered from, how many acknowledged writes were lost as the
    /// plans said they might be, and how many masters were told that their epoch has ended.
    pub recoveries: (u64, u64, u64),
}

/// A property that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}: {what}")]
pub struct Violation {
    /// The seed that shows it.
    pub seed: u64,
    /// What did not hold.
    pub what: String,
    /// Everything that happened until then.
    pub trace: Vec<u8>,
}

/// Runs the standard scenario from a seed, with its files in `folder`, which must be empty.
///
/// # Errors
/// The first property that did not hold: two leaders in a term, an acknowledged write that is
/// missing, or masters whose states differ in the end.
pub fn run(seed: u64, folder: &Path) -> Result<SimReport, Violation> {
    Scenario::default().run(seed, folder)
}

#[cfg(test)]
mod tests;
