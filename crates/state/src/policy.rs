//! What people decided about the masters: how autopilot behaves, and exceptions with their reasons.

use std::time::Duration;

use quorate_model::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that was decided against the rule, with who said so and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated {
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// How autopilot and the choice of the leader behave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MasterPolicy {
    /// How long a preferred master must have been live and level before it is given the
    /// leadership back, in milliseconds.
    pub fail_back_ms: u64,
    /// After how long without progress a learner counts as stalled, in milliseconds.
    pub stall_after_ms: u64,
    /// After how long in silence a master is removed, in milliseconds; `None`: never.
    pub cleanup_after_ms: Option<u64>,
    /// Cleaning up never leaves fewer voters than this.
    pub cleanup_floor: u32,
}

impl Default for MasterPolicy {
    fn default() -> Self {
        Self {
            fail_back_ms: 120_000,
            stall_after_ms: 30_000,
            cleanup_after_ms: None,
            cleanup_floor: 3,
        }
    }
}

impl MasterPolicy {
    /// The sticky window.
    #[must_use]
    pub const fn fail_back(&self) -> Duration {
        Duration::from_millis(self.fail_back_ms)
    }

    /// When a learner counts as stalled.
    #[must_use]
    pub const fn stall_after(&self) -> Duration {
        Duration::from_millis(self.stall_after_ms)
    }

    /// When a silent master is removed.
    #[must_use]
    pub fn cleanup_after(&self) -> Option<Duration> {
        self.cleanup_after_ms.map(Duration::from_millis)
    }
}
