//! Events: what changed, as it changes.

use serde::Serialize;

use super::OperationSummary;

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ChangeEvent {
    /// An operation was submitted or went on.
    Operation(OperationSummary),
    /// A component was created, changed or removed.
    Component {
        /// Its name.
        name: String,
        /// Whether it exists no more.
        removed: bool,
    },
    /// This master has applied more of the log.
    #[serde(rename_all = "camelCase")]
    State {
        /// Up to here.
        applied_index: u64,
    },
    /// Node managers saw something new.
    Observed {},
}

impl ChangeEvent {
    /// The name of the event on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Operation(_) => "operation",
            Self::Component { .. } => "component",
            Self::State { .. } => "state",
            Self::Observed {} => "observed",
        }
    }
}
