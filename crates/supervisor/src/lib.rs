//! Processes on one host: started, stopped, watched, logged and found again; this crate knows no
//! control plane.
//!
//! Every instance runs under a small *shim*, a process of its own that outlives whoever started
//! it:
//!
//! ```text
//! node manager ──starts──> shim (own session, subreaper) ──starts──> component (own group)
//!      │                     │  writes handle.json                       │ stdout, stderr
//!      └──reads handle.json──┘  <────────── rotated log files <──────────┘
//! ```
//!
//! The shim is the component's parent, so it alone learns the exit status; it writes who runs
//! (and later how that ended) into `handle.json`. A [`Supervisor`] holds no state of its own: it
//! reads the handle, and believes a pid only when the process's start time and the host's boot id
//! are the recorded ones too. A node manager may therefore be stopped, killed or upgraded at any
//! moment, and its successor finds every instance as it was.
//!
//! # Files
//! In the run folder, for each instance (folders 0700, files 0600):
//! - `handle.json`: who runs and how it ended; replaced atomically, and only by the holder of
//!   `shim.lock`;
//! - `shim.lock`: locked by the shim as long as it lives;
//! - `start.lock`: locked during a start, so that starts take turns;
//! - `spec-*.json`: what the shim shall start, environment included; the shim removes it as soon
//!   as it has read it;
//! - `shim.err`: the shim's own complaints.
//!
//! # Limits
//! A descendant that leaves the component's process group (a daemon that calls `setsid`) is
//! nobody's to stop but its own component's: it is neither signalled nor waited for.

mod attachment;
mod error;
mod folder;
mod handle;
mod launch;
pub mod logs;
mod process;
pub mod shim;
mod supervisor;

pub use attachment::{Attachment, Running, StartFailure, StartFailureKind};
pub use error::SupervisorError;
pub use launch::{LaunchSpec, LogRotation, StopSignal};
pub use process::{ProcessIdentity, boot_id, bury_heirs, lead_session};
pub use shim::LogWriter;
pub use supervisor::Supervisor;
