//! What the console asks of the cluster: a narrow trait, so that every page can be served from
//! samples as well as from a master.

use std::future::Future;

use futures_util::Stream;
use quorate_api::rest::{
    AuditView, ComponentView, DoctorView, EnrolmentView, Login, LoginAnswer, OperationSummary,
    OperationView, PlanView, ReadinessView, StatusView,
};
use quorate_model::Refusal;

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub struct Visitor<Who> {
    /// What the use cases know the person by.
    pub who: Who,
    /// The login name.
    pub username: String,
    /// `viewer`, `operator` or `admin`.
    pub role: String,
    /// Until the password is changed, nothing else is allowed.
    pub must_change_password: bool,
}

/// What a person does to a running operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intervention {
    /// Let it stand between two steps.
    Pause,
    /// Let it go on.
    Resume,
    /// End it and undo it as far as it can be.
    Abort,
    /// It is stuck past its point of no return: end it where it stands, and undo nothing.
    Leave,
}

/// What a person decides about a joiner at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Let it in, if its key has this digest.
    Approve {
        /// The digest of the key that was compared.
        key_sha256: String,
    },
    /// Turn it away.
    Refuse,
}

/// Something a page may show has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Something was observed: worth a refresh soon.
    Observed,
    /// Something was decided: worth a refresh at once.
    Decided,
}

/// The use cases that the console's pages and forms need. Every error is a [`Refusal`] that is
/// shown as it is.
pub trait UseCases: Clone + Send + Sync + 'static {
    /// What the use cases know a person by.
    type Who: Clone + Send + Sync + 'static;

    /// Whether the cluster has been ready once since this master started.
    fn gate_is_open(&self) -> bool;

    /// Whether this master can serve, and what is missing.
    fn readiness(&self) -> ReadinessView;

    /// The id of the master that serves these pages.
    fn node(&self) -> String;

    /// Everything that changes from now on.
    fn changes(&self) -> impl Stream<Item = Change> + Send + Unpin + 'static;

    /// Begins a session for somebody who asks from an address.
    fn login(
        &self,
        login: &Login,
        from: &str,
    ) -> impl Future<Output = Result<LoginAnswer, Refusal>> + Send;

    /// Finds who a session token belongs to.
    fn authenticate(
        &self,
        token: &str,
    ) -> impl Future<Output = Result<Visitor<Self::Who>, Refusal>> + Send;

    /// Ends a session.
    fn logout(
        &self,
        who: &Self::Who,
        token: &str,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Changes one's own password.
    fn change_password(
        &self,
        who: &Self::Who,
        current: String,
        new: String,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// The state of the quorum.
    ///
    /// # Errors
    /// When the person may not see it.
    fn status(&self, who: &Self::Who) -> Result<StatusView, Refusal>;

    /// The joiners that wait for approval, or were approved and have not come in yet.
    ///
    /// # Errors
    /// When the person may not see them.
    fn enrolments(&self, who: &Self::Who) -> Result<Vec<EnrolmentView>, Refusal>;

    /// Lets a joiner in or turns it away.
    fn admit(
        &self,
        who: &Self::Who,
        id: &str,
        admission: Admission,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Everything the doctor finds; takes a few seconds when a master is silent.
    fn doctor(&self, who: &Self::Who) -> impl Future<Output = Result<DoctorView, Refusal>> + Send;

    /// All components.
    ///
    /// # Errors
    /// When the person may not see them.
    fn components(&self, who: &Self::Who) -> Result<Vec<ComponentView>, Refusal>;

    /// One component.
    ///
    /// # Errors
    /// When there is none of that name.
    fn component(&self, who: &Self::Who, name: &str) -> Result<ComponentView, Refusal>;

    /// The plan of a rolling restart; nothing is changed.
    ///
    /// # Errors
    /// Every reason why it cannot be done now.
    fn plan_restart(
        &self,
        who: &Self::Who,
        name: &str,
        accept_interruption: bool,
    ) -> impl Future<Output = Result<PlanView, Vec<Refusal>>> + Send;

    /// Lets a rolling restart begin.
    fn restart(
        &self,
        who: &Self::Who,
        name: &str,
        accept_interruption: bool,
    ) -> impl Future<Output = Result<OperationView, Vec<Refusal>>> + Send;

    /// The end of an instance's log, at most `max_bytes` of it.
    fn log(
        &self,
        who: &Self::Who,
        component: &str,
        instance: &str,
        max_bytes: u64,
    ) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;

    /// All operations, newest first.
    ///
    /// # Errors
    /// When the person may not see them.
    fn operations(&self, who: &Self::Who) -> Result<Vec<OperationSummary>, Refusal>;

    /// One operation, whole.
    ///
    /// # Errors
    /// When there is none with that id.
    fn operation(&self, who: &Self::Who, id: &str) -> Result<OperationView, Refusal>;

    /// Pauses, resumes or aborts an operation.
    fn intervene(
        &self,
        who: &Self::Who,
        id: &str,
        intervention: Intervention,
    ) -> impl Future<Output = Result<OperationView, Refusal>> + Send;

    /// The newest lines of the audit trail, newest first; those of operations' single steps only
    /// with `steps`.
    ///
    /// # Errors
    /// When the person may not see them.
    fn audit(
        &self,
        who: &Self::Who,
        at_most: usize,
        steps: bool,
    ) -> Result<Vec<AuditView>, Refusal>;
}
