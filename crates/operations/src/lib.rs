//! Runs operations: the durable step engine.
//!
//! The engine takes its work from the replicated state and writes every begin and end back
//! through [`Actor::propose`]; it holds nothing that a new leader could not find there. A step is
//! *begun* (a command), *acted* (ensure-shaped), *finished* (a command). A leader that dies in
//! between leaves one started step, which the next leader begins again. All choices were made by
//! the planner; here is only waiting, acting and recording (docs/adr/0005).

mod actor;
mod engine;
mod failpoint;
mod runner;
mod waiting;

pub use actor::{Actor, ActorError};
pub use engine::run;
pub use waiting::Waiting;
