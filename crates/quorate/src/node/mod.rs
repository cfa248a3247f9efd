//! What makes this process a node: its folders and configuration, `init`, `join` and `run`.

pub(crate) mod binary;
pub(crate) mod checkup;
mod config;
pub(crate) mod daemon;
mod dial;
mod folders;
pub(crate) mod init;
mod invocation;
pub(crate) mod join;
mod joining;
mod level;
pub(crate) mod local;
mod manager;
mod master;
pub(crate) mod memory;
mod orders;
mod os;
mod pid_file;
mod priority;
pub(crate) mod recovery;
mod reexec;
mod removal;
mod report;
pub(crate) mod run;
pub(crate) mod shim;

pub(crate) use config::{AddressArgs, NodeConfig, NodeRole};
pub(crate) use folders::{FolderArgs, Folders};
pub(crate) use invocation::Invocation;
pub(crate) use local::LocalView;
pub(crate) use os::{SystemClock, refuse_file};
