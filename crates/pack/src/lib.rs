//! What a pack is: the pure rules of a kind of component, the driver that does its I/O, and the
//! conformance suite every driver passes.
//!
//! Rules decide and are used by the leader's planner; a driver acts and is used by the node
//! manager of the host an instance runs on. Neither knows the other.

pub mod conformance;
mod driver;
#[cfg(feature = "fakes")]
pub mod fakes;
mod render;
mod rules;

pub use driver::{DriverError, InstanceContext, LeadershipTransfer, MemberView, PackDriver};
pub use render::{
    CertificateRequest, FileSpec, LogRotation, RenderContext, RenderedInstance, StopSignal,
};
pub use rules::{Catalog, PackRules, QuorumKind};
