//! The calls of REST, one file per noun.

mod audit;
mod auth;
mod binaries;
mod components;
mod enrolments;
mod health;
mod masters;
mod nodes;
mod operations;
mod reset;
mod settings;
mod status;
mod tokens;

pub use components::Submitted;
pub use settings::Consistency;
