//! What the masters answer, as tables and texts for people: pure functions from view to text.

mod access;
mod component;
mod doctor;
mod local;
mod masters;
mod node;
mod operation;
mod page;
mod plan;
#[cfg(test)]
pub(crate) mod samples;
mod setting;
mod status;

pub(crate) use access::{audit, tokens};
pub(crate) use component::{component, components};
pub(crate) use doctor::doctor;
pub(crate) use local::local;
pub(crate) use masters::{enrolments, master_policy};
pub(crate) use node::{Nodes, nodes};
pub(crate) use operation::{ended, operation, operations, transcript};
pub(crate) use page::page;
pub(crate) use plan::plan;
pub(crate) use setting::{settings, value};
pub(crate) use status::{status, status_line};
