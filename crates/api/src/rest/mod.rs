//! The types of REST, one file per noun. Names are camelCase on the wire, times are RFC 3339.

mod audit;
mod auth;
mod binaries;
mod components;
mod doctor;
mod enrolments;
mod events;
mod masters;
mod nodes;
mod operations;
mod reset;
mod settings;
mod status;
mod tokens;

pub use audit::AuditView;
pub use auth::{ChangePassword, Login, LoginAnswer, WhoAmI};
pub use binaries::{BinaryFactsView, BinaryPart, BinaryView};
pub use components::{
    ComponentSpecBody, ComponentView, InstanceSpecBody, InstanceView, RestartBody,
};
pub use doctor::{DoctorView, FindingView};
pub use enrolments::{ApproveBody, EnrolmentView};
pub use events::ChangeEvent;
pub use masters::{
    MasterPolicyBody, MasterPolicyView, PreferredView, PriorityBody, StatedView, VotesBody,
};
pub use nodes::{
    MasterView, NodeManagerView, RemoveNodeBody, ReplaceNodeBody, RestartNodesBody,
    TransferLeaderBody, UnmanagedView, UpgradeNodesBody,
};
pub use operations::{
    AbortBody, OperationSummary, OperationView, PlanView, StepView, TranscriptView,
};
pub use reset::ResetBody;
pub use settings::{SettingBody, SettingView, SettingWritten};
pub use status::{Precondition, ReadinessView, RecoveryView, StatusView};
pub use tokens::{CreateTokenBody, TokenCreated, TokenView};
