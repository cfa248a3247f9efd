//! What makes this process a node: its folders and configuration, `init`, `join` and `run`.

mod config;
mod dial;
mod folders;
pub(crate) mod init;
pub(crate) mod join;
mod manager;
mod master;
mod os;
mod priority;
pub(crate) mod run;
pub(crate) mod shim;

pub(crate) use config::{AddressArgs, NodeConfig, NodeRole};
pub(crate) use folders::{FolderArgs, Folders};
pub(crate) use os::{SystemClock, refuse_file};
