//! The use cases of the control plane, beneath both faces: REST and console call the same
//! functions, so that they say the same words.
//!
//! One use case per file under [`use_cases`]; the leader's duties under `background/`. All change
//! goes through `propose`, all reading follows the state's watch; observed facts live in the
//! [`Inventory`] of the leader and expire.

mod background;
mod control;
mod elections;
mod failed_logins;
mod inventory;
mod masters_observed;
mod node_sessions;
mod outlook;
mod principal;
mod readiness;
mod surroundings;
pub mod use_cases;
mod views;

pub use background::{AutopilotOptions, run_duties};
pub use control::{Control, ControlOptions, Parts};
pub use elections::follow_elections;
pub use inventory::Inventory;
pub use node_sessions::{LeaderHint, NodeSession, ToNode};
pub use principal::{Permission, Principal};
pub use quorate_api::rest;
pub use readiness::ReadinessGate;
pub use surroundings::{StagedBinary, Surroundings};
