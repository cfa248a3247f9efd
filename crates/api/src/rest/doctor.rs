//! What the doctor found.

use serde::{Deserialize, Serialize};

/// What one check found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingView {
    /// The check's stable id, such as `clocks`.
    pub id: String,
    /// `problem`, `warning`, `unknown` (it could not be looked at), `info` or `ok`.
    pub severity: String,
    /// The node or component it concerns; empty when it concerns the cluster.
    pub about: String,
    /// What was seen.
    pub seen: String,
    /// Why it matters.
    pub why: String,
    /// What to do, as a command line where there is one; empty when nothing is to be done.
    pub fix: String,
}

/// Everything the doctor found, worst first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoctorView {
    /// When it was asked.
    pub at: String,
    /// The master that asked all the others; empty when only a host was looked at.
    pub asked_by: String,
    /// Whether a quorum of masters acts.
    pub quorate: bool,
    /// How many problems there are.
    pub problems: usize,
    /// How many warnings there are.
    pub warnings: usize,
    /// The findings.
    pub findings: Vec<FindingView>,
}
