//! Made-up clusters, in every condition a page must be able to show: tests render each page from
//! each of them, and the gallery example serves them to look at.

mod clusters;
mod parts;
mod served;

use quorate_api::rest::{
    AuditView, ComponentView, EnrolmentView, OperationView, PlanView, ReadinessView, StatusView,
};
use quorate_model::{Refusal, Timestamp};

pub use clusters::{
    degraded, empty, follower, growing, healthy, hostile, long_names, no_quorum, restarting,
    starting, stuck,
};
pub use served::SampleCluster;

/// The night in which the samples play: 2026-08-02, a quarter past two.
pub const NIGHT: Timestamp = Timestamp(1_785_636_900_000);

/// A made-up cluster, as one master sees it.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its name in the gallery.
    pub name: &'static str,
    /// The master that serves the pages.
    pub node: String,
    /// The role of whoever logs in.
    pub role: String,
    /// Whether it is ready, and what is missing.
    pub readiness: ReadinessView,
    /// The state of the quorum.
    pub status: StatusView,
    /// Who waits at its door.
    pub enrolments: Vec<EnrolmentView>,
    /// Its components.
    pub components: Vec<ComponentView>,
    /// Its operations, newest first.
    pub operations: Vec<OperationView>,
    /// What planning a restart gives.
    pub plan: Result<PlanView, Vec<Refusal>>,
    /// Its audit trail.
    pub audit: Vec<AuditView>,
    /// What every instance has logged.
    pub log: String,
}

/// All samples, as if it were `now`.
#[must_use]
pub fn all(now: Timestamp) -> Vec<Sample> {
    vec![
        healthy(now),
        growing(now),
        restarting(now),
        degraded(now),
        stuck(now),
        empty(now),
        follower(now),
        no_quorum(now),
        starting(now),
        long_names(now),
        hostile(now),
    ]
}
