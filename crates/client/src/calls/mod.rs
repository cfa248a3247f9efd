//! The calls of REST, one file per noun.

mod audit;
mod auth;
mod components;
mod health;
mod nodes;
mod operations;
mod settings;
mod status;
mod tokens;

pub use components::Submitted;
pub use settings::Consistency;
