//! Decides: a request and what is known become a plan or refusals; conditions and verdicts are
//! judged here; so is who becomes a voting master.
//!
//! Nothing here acts. The executor in `quorate-operations` has no meaningful choices left, so
//! every choice can be tested as a table. Verdicts (the `health` room of the house) are folded in
//! as [`health`].

mod autopilot;
mod condition;
mod create;
pub mod doctor;
pub mod health;
mod leadership;
pub mod lost_quorum;
mod nodes;
mod observations;
mod planner;
mod ports;
pub mod recovery;
mod remove;
mod restart;

pub use autopilot::{
    AutopilotDecision, AutopilotInput, CleanUp, MAX_LAG, MasterSeen, VoterChange, VotesVerdict,
    decide, judge_votes, stalled,
};
pub use condition::{Judgement, is_hopeless, judge};
pub use leadership::{LeadershipDecision, LeadershipInput, Standing, decide_leader, heirs};
pub use nodes::{LEVEL_LAG, MASTER_FRESH_FOR, MasterObserved, MastersObserved, confirmation};
pub use observations::{FRESH_FOR, Observations, Observed, PROBE_SPREAD};
pub use planner::{Facts, plan};
