//! The commands that are clients of REST or need no node at all: `<noun>/<verb>.rs`.
//!
//! A command takes the [`Session`] and its `Args`, asks the masters through the typed client and
//! shows what they answer. What makes a process a node lives in `crate::node`.

pub(crate) mod audit;
mod change;
pub(crate) mod completions;
pub(crate) mod component;
mod credentials;
pub(crate) mod doctor;
pub(crate) mod enrolment;
pub(crate) mod explain;
mod find_node;
pub(crate) mod help;
pub(crate) mod keygen;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod master;
pub(crate) mod node;
pub(crate) mod operation;
pub(crate) mod recover;
pub(crate) mod reset;
mod session;
pub(crate) mod setting;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod version;
mod wait;
pub(crate) mod whoami;

pub(crate) use session::Session;
