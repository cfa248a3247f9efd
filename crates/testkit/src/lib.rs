//! Clusters for tests: real processes driven from outside, a master within the test's own process
//! with fake node managers, hosts with a network between them that can be cut, faults by
//! chance, a checker of histories, callers with a copied identity, and a writer that watches a
//! managed etcd without a pause.
//!
//! Everything here fails a test by panicking with words that say what was waited for.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

pub mod chaos;
mod cluster;
mod dice;
mod etcd_writer;
mod fake_node_manager;
mod files;
pub mod history;
pub mod hosts;
mod in_process;
mod node;
mod node_caller;
mod other_masters;
mod rest;
mod settings_clients;
mod settings_writers;
mod wait;

pub use cluster::{ClusterBuilder, ProcessCluster};
pub use dice::Dice;
pub use etcd_writer::{EtcdWriter, WriterReport};
pub use fake_node_manager::FakeNodeManager;
pub use files::files_below;
pub use in_process::InProcessMaster;
pub use node::{NodeHandle, free_port, without_surroundings};
pub use node_caller::{NodeCaller, NodeConnection};
pub use rest::{Answer, Rest};
pub use settings_clients::{Seen, SettingsClients, Workload};
pub use settings_writers::SettingsWriters;
pub use wait::{eventually, eventually_some};
