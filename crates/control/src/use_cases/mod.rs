//! What people and programs can ask of the control plane, one file per noun.
//!
//! Every function takes the [`crate::Principal`] and checks its permission first, but for those
//! that need no login: enrolment, which a token proves, and metrics, which tell numbers only.

pub mod access;
pub mod audit;
pub mod binaries;
pub mod certificates;
pub mod components;
pub mod doctor;
pub mod enrolment;
pub mod events;
pub mod masters;
pub mod metrics;
pub mod nodes;
pub mod operations;
pub mod reset;
pub mod settings;
pub mod status;
pub mod tokens;
