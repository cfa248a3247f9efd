//! What commands do to the state, noun by noun, and what holds for any sequence of them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aborting;
mod audit;
mod codec;
mod components;
mod enrolments;
mod golden;
mod leaving;
mod masters;
mod nodes;
mod operations;
mod orders;
mod properties;
mod recovery;
mod requests;
mod reset;
mod samples;
mod settings;
mod tokens;
mod upgrades;
mod users;
mod world;
