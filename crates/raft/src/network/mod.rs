//! The masters' talk with each other: Raft's calls, proposals and reads forwarded to the leader,
//! all on the internal port.

mod addresses;
mod client;
mod convert;
mod dialer;
pub(crate) mod epoch;
mod peers;
mod server;

pub use self::dialer::{DialError, Dialer, PeerAuthorizer};
pub use self::server::Masters;
pub(crate) use self::{
    client::Network,
    peers::{Lane, Peers, was_not_sent},
};
