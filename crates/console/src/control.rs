//! The only place that touches a master's `Control`: the console's use cases on top of it.

use axum::Router;
use futures_util::{Stream, StreamExt, stream};
use quorate_api::rest::{
    ApproveBody, AuditView, ChangePassword, ComponentView, DoctorView, EnrolmentView, Login,
    LoginAnswer, OperationSummary, OperationView, PlanView, ReadinessView, RestartBody, StatusView,
};
use quorate_control::{
    Control, Principal,
    use_cases::{access, audit, components, doctor, enrolment, operations, status},
};
use quorate_model::Refusal;
use tokio_stream::wrappers::WatchStream;

use crate::{Admission, Change, Intervention, UseCases, Visitor, routes};

/// The console of a master: its pages, forms, assets and events. It has no fallback, so that it
/// can be merged with the routes of REST.
pub fn router(control: Control) -> Router {
    routes::router(control)
}

impl UseCases for Control {
    type Who = Principal;

    fn gate_is_open(&self) -> bool {
        Self::readiness(self).is_open()
    }

    fn readiness(&self) -> ReadinessView {
        Self::readiness(self).live()
    }

    fn node(&self) -> String {
        Self::node(self).to_string()
    }

    fn changes(&self) -> impl Stream<Item = Change> + Send + Unpin + 'static {
        let decided = WatchStream::from_changes(self.state_watch()).map(|_| Change::Decided);
        let observed = WatchStream::from_changes(self.observed()).map(|_| Change::Observed);
        let control = self.clone();
        // A stream that outlived its control plane would stay silent for ever.
        let closed = Box::pin(async move { control.closed().await });
        stream::select(decided, observed).take_until(closed)
    }

    async fn login(&self, login: &Login, from: &str) -> Result<LoginAnswer, Refusal> {
        access::login(self, login, from).await
    }

    async fn authenticate(&self, token: &str) -> Result<Visitor<Principal>, Refusal> {
        let who = access::authenticate(self, token).await?;
        let answer = access::who_am_i(&who);
        Ok(Visitor {
            username: answer.username,
            role: answer.role,
            must_change_password: who.must_change_password,
            who,
        })
    }

    async fn logout(&self, who: &Principal, token: &str) -> Result<(), Refusal> {
        access::logout(self, who, token, None).await
    }

    async fn change_password(
        &self,
        who: &Principal,
        current: String,
        new: String,
    ) -> Result<(), Refusal> {
        access::change_password(self, who, &ChangePassword { current, new }).await
    }

    fn status(&self, who: &Principal) -> Result<StatusView, Refusal> {
        status::show(self, who)
    }

    fn enrolments(&self, who: &Principal) -> Result<Vec<EnrolmentView>, Refusal> {
        enrolment::list(self, who)
    }

    async fn admit(&self, who: &Principal, id: &str, admission: Admission) -> Result<(), Refusal> {
        match admission {
            Admission::Approve { key_sha256 } => {
                enrolment::approve(self, who, id, &ApproveBody { key_sha256 }, None).await
            }
            Admission::Refuse => enrolment::refuse(self, who, id, None).await,
        }
    }

    async fn doctor(&self, who: &Principal) -> Result<DoctorView, Refusal> {
        doctor::examine(self, who).await
    }

    fn components(&self, who: &Principal) -> Result<Vec<ComponentView>, Refusal> {
        components::list(self, who)
    }

    fn component(&self, who: &Principal, name: &str) -> Result<ComponentView, Refusal> {
        components::show(self, who, name)
    }

    async fn plan_restart(
        &self,
        who: &Principal,
        name: &str,
        accept_interruption: bool,
    ) -> Result<PlanView, Vec<Refusal>> {
        components::plan_restart(self, who, name, &RestartBody { accept_interruption }).await
    }

    async fn restart(
        &self,
        who: &Principal,
        name: &str,
        accept_interruption: bool,
    ) -> Result<OperationView, Vec<Refusal>> {
        let body = RestartBody { accept_interruption };
        components::restart(self, who, name, &body, None).await
    }

    async fn log(
        &self,
        who: &Principal,
        component: &str,
        instance: &str,
        max_bytes: u64,
    ) -> Result<Vec<u8>, Refusal> {
        components::logs(self, who, component, instance, max_bytes).await
    }

    fn operations(&self, who: &Principal) -> Result<Vec<OperationSummary>, Refusal> {
        operations::list(self, who)
    }

    fn operation(&self, who: &Principal, id: &str) -> Result<OperationView, Refusal> {
        operations::show(self, who, id)
    }

    async fn intervene(
        &self,
        who: &Principal,
        id: &str,
        intervention: Intervention,
    ) -> Result<OperationView, Refusal> {
        let intervention = match intervention {
            Intervention::Pause => operations::Intervention::Pause,
            Intervention::Resume => operations::Intervention::Resume,
            Intervention::Abort => operations::Intervention::Abort,
            Intervention::Leave => operations::Intervention::Leave,
        };
        operations::intervene(self, who, id, intervention, None).await
    }

    fn audit(
        &self,
        who: &Principal,
        at_most: usize,
        steps: bool,
    ) -> Result<Vec<AuditView>, Refusal> {
        audit::list(self, who, at_most, steps)
    }
}
