//! The node manager: on each host, it makes what the leader desires true, and reports what it sees.
//!
//! ```text
//!  leader ──desired, actions──> session ──orders──> one actor per instance ──> supervisor, packs
//!     ^                            │                        │ prober
//!     └────────reports─────────────┴──────── board <────────┘
//! ```
//!
//! The session finds the leader through any master and passes on what it says. Every order is
//! fenced by (epoch, term, generation) and is on disk before anything is done about it, so that a
//! node manager goes on keeping its instances as last ordered when there is no master at all,
//! across its own restart and the host's. Each instance has an actor, which compares the order
//! with the process (`decision` is the pure part) and acts, one thing at a time. What actors and
//! probers see stands on a board, from which the session reports.
//!
//! A process is ended by an order and by nothing else: not by the end of the node manager, not by
//! a lost session, not by a changed configuration, not by vanishing from the leader's list.
//!
//! # Files
//! In the data folder (folders 0700, files 0600):
//! - `masters.json`: the masters, and the highest (epoch, term) that was ever obeyed;
//! - `instances/<instance>/obeyed.json`: the highest order obeyed, whole;
//! - `instances/<instance>/starts.json`: how often it was started;
//! - `instances/<instance>/{config,data,tls}/`: the component's own.

mod actions;
mod board;
mod connector;
mod dial;
mod disk;
mod error;
mod gathered;
mod identity_renewal;
mod instance;
mod keeper;
mod link;
mod manager;
mod masters;
mod options;
mod order;
mod pace;
mod session;

pub use connector::{ConnectError, MasterConnector};
pub use dial::{TlsDialer, connect_tls};
pub use error::NodeManagerError;
pub use identity_renewal::{IdentityRenewalError, is_renewal_due, is_valid, renew_identity};
pub use manager::NodeManager;
pub use masters::KnownMasters;
pub use options::{NodeIdentityFiles, NodeManagerFolders, NodeManagerOptions, OrdersTold};
