//! Consensus of the masters: the replicated log, its storage, its network, its membership.
//!
//! openraft is inside, and nothing outside names it. The rest of the product sees a [`RaftNode`]:
//! all change goes in through [`RaftNode::propose`], everything that reads follows
//! [`RaftNode::state`], and whoever acts as leader holds a [`Leadership`].
//!
//! On disk are a log (`log.redb`) and a snapshot (`snapshot.bin`), both sealed by the keyring and
//! written in this crate's own versioned protobuf. What an acknowledged proposal rests on is one
//! `fdatasync` on a majority of masters.

mod error;
mod log_store;
mod network;
mod node;
mod ondisk;
mod proto;
mod purge;
mod recovery;
#[cfg(feature = "sim")]
pub mod sim;
mod state_machine;
mod troubles;
mod types;
mod vault;

pub use error::{MembershipError, ProposeError, RaftError, ReadError};
pub use network::{DialError, Dialer, Masters, PeerAuthorizer};
pub use node::{
    Leadership, MastersRouterService, OpenReport, PeerStatus, RaftNode, RaftOptions, RaftStatus,
    Role, Superseded,
};
pub use purge::{Purged, purge};
pub use recovery::{Held, Place, inspect, rebuild};
pub use troubles::Troubles;
