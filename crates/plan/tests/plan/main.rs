//! Plans an operator can read, the conditions they lean on, and the verdicts shown to people.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conditions;
mod create;
mod doctor;
mod golden;
mod nodes;
mod recovery;
mod remove;
mod restart;
mod safety;
mod upgrade;
mod verdicts;
mod world;
