//! A sample behind the console's use cases: it can be logged in to, and moved while somebody
//! looks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{Stream, StreamExt};
use quorate_api::rest::{
    AuditView, ComponentView, DoctorView, EnrolmentView, FindingView, Login, LoginAnswer,
    OperationSummary, OperationView, PlanView, ReadinessView, StatusView,
};
use quorate_model::{Refusal, codes};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

use super::Sample;
use crate::{Admission, Change, Intervention, UseCases, Visitor};

/// A sample that answers the console. Anybody logs in with the password `sample`; the user
/// `fresh` must change it first.
#[derive(Debug, Clone)]
pub struct SampleCluster {
    sample: Arc<Mutex<Sample>>,
    moves: Arc<watch::Sender<u64>>,
}

impl SampleCluster {
    /// Serves a sample.
    #[must_use]
    pub fn new(sample: Sample) -> Self {
        Self { sample: Arc::new(Mutex::new(sample)), moves: Arc::new(watch::Sender::new(0)) }
    }

    /// Changes the sample, and tells every open page.
    pub fn change(&self, with: impl FnOnce(&mut Sample)) {
        with(&mut self.look());
        self.moves.send_modify(|moves| *moves += 1);
    }

    fn look(&self) -> MutexGuard<'_, Sample> {
        self.sample.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_found(what: &str) -> Refusal {
    Refusal::new(codes::NOT_FOUND, format!("there is no {what}"))
}

/// The token of a user is its name with this before it.
const TOKEN: &str = "sample-";

impl UseCases for SampleCluster {
    type Who = String;

    fn gate_is_open(&self) -> bool {
        self.look().readiness.ready
    }

    fn readiness(&self) -> ReadinessView {
        self.look().readiness.clone()
    }

    fn node(&self) -> String {
        self.look().node.clone()
    }

    fn changes(&self) -> impl Stream<Item = Change> + Send + Unpin + 'static {
        WatchStream::from_changes(self.moves.subscribe()).map(|_| Change::Decided)
    }

    async fn login(&self, login: &Login, _: &str) -> Result<LoginAnswer, Refusal> {
        if login.password != "sample" {
            let message = "the user name or the password is wrong";
            return Err(Refusal::new(codes::LOGIN_FAILED, message)
                .hint("check both; a new cluster begins with admin/admin"));
        }
        Ok(LoginAnswer {
            access_token: format!("{TOKEN}{}", login.username),
            expires_at: "2026-08-02T14:00:00.000Z".to_owned(),
            must_change_password: login.username == "fresh",
        })
    }

    async fn authenticate(&self, token: &str) -> Result<Visitor<String>, Refusal> {
        let username = token
            .strip_prefix(TOKEN)
            .ok_or_else(|| Refusal::new(codes::UNAUTHENTICATED, "login is needed"))?;
        Ok(Visitor {
            who: username.to_owned(),
            username: username.to_owned(),
            role: self.look().role.clone(),
            must_change_password: username == "fresh",
        })
    }

    async fn logout(&self, _: &String, _: &str) -> Result<(), Refusal> {
        Ok(())
    }

    async fn change_password(
        &self,
        _: &String,
        current: String,
        new: String,
    ) -> Result<(), Refusal> {
        if current != "sample" {
            return Err(Refusal::new(codes::LOGIN_FAILED, "the present password is wrong"));
        }
        if new.chars().count() < 12 {
            return Err(Refusal::new(codes::PASSWORD_TOO_WEAK, "the new password is too weak")
                .cause("it has fewer than 12 characters"));
        }
        Ok(())
    }

    fn status(&self, _: &String) -> Result<StatusView, Refusal> {
        Ok(self.look().status.clone())
    }

    fn enrolments(&self, _: &String) -> Result<Vec<EnrolmentView>, Refusal> {
        Ok(self.look().enrolments.clone())
    }

    async fn admit(&self, who: &String, id: &str, admission: Admission) -> Result<(), Refusal> {
        let known = self.look().enrolments.iter().find(|it| it.id == id).cloned();
        let known = known.ok_or_else(|| not_found(&format!("enrolment {id} that waits")))?;
        if matches!(&admission, Admission::Approve { key_sha256 } if *key_sha256 != known.key_sha256)
        {
            let message = format!("the joiner of enrolment {id} has another key");
            return Err(Refusal::new(codes::REVISION_MISMATCH, message)
                .hint("look again: quorate enrolment list"));
        }
        self.change(|sample| {
            match admission {
                Admission::Approve { .. } => {
                    for it in sample.enrolments.iter_mut().filter(|it| it.id == id) {
                        it.status = format!("approved by user:{who}");
                    }
                }
                Admission::Refuse => sample.enrolments.retain(|it| it.id != id),
            }
            let waiting = sample.enrolments.iter().filter(|it| it.status == "waits");
            sample.status.enrolments_waiting = waiting.count();
        });
        Ok(())
    }

    async fn doctor(&self, _: &String) -> Result<DoctorView, Refusal> {
        Ok(findings(&self.look().status))
    }

    fn components(&self, _: &String) -> Result<Vec<ComponentView>, Refusal> {
        Ok(self.look().components.clone())
    }

    fn component(&self, _: &String, name: &str) -> Result<ComponentView, Refusal> {
        let sample = self.look();
        let found = sample.components.iter().find(|component| component.name == name);
        found.cloned().ok_or_else(|| not_found(&format!("component `{name}`")))
    }

    async fn plan_restart(&self, _: &String, _: &str, _: bool) -> Result<PlanView, Vec<Refusal>> {
        self.look().plan.clone()
    }

    async fn restart(
        &self,
        _: &String,
        name: &str,
        _: bool,
    ) -> Result<OperationView, Vec<Refusal>> {
        let newest = self.look().operations.first().cloned();
        newest.ok_or_else(|| vec![not_found(&format!("component `{name}`"))])
    }

    async fn log(&self, _: &String, _: &str, _: &str, _: u64) -> Result<Vec<u8>, Refusal> {
        Ok(self.look().log.clone().into_bytes())
    }

    fn operations(&self, _: &String) -> Result<Vec<OperationSummary>, Refusal> {
        Ok(self.look().operations.iter().map(|operation| operation.summary.clone()).collect())
    }

    fn operation(&self, _: &String, id: &str) -> Result<OperationView, Refusal> {
        let sample = self.look();
        let found = sample.operations.iter().find(|operation| operation.summary.id == id);
        found.cloned().ok_or_else(|| {
            not_found(&format!("operation {id}")).hint("list them with: quorate operation list")
        })
    }

    async fn intervene(
        &self,
        who: &String,
        id: &str,
        intervention: Intervention,
    ) -> Result<OperationView, Refusal> {
        let operation = self.operation(who, id)?;
        let status = match (operation.summary.status.as_str(), intervention) {
            ("running", Intervention::Pause) => "paused",
            ("paused" | "stuck", Intervention::Resume) => "running",
            ("stuck", Intervention::Leave) if operation.can_be_left => "aborted",
            ("stuck", Intervention::Abort) if operation.can_be_left => {
                let message = format!("operation {id} cannot be aborted");
                return Err(Refusal::new(codes::OPERATION_STATUS, message)
                    .cause("step 1 is its point of no return"));
            }
            ("running" | "paused" | "stuck", Intervention::Abort) => "aborting",
            (status, _) => {
                let message = format!("the operation is {status}, so it cannot do that");
                return Err(Refusal::new(codes::OPERATION_STATUS, message));
            }
        };
        self.change(|sample| {
            for operation in sample.operations.iter_mut().filter(|it| it.summary.id == id) {
                status.clone_into(&mut operation.summary.status);
            }
        });
        self.operation(who, id)
    }

    fn audit(&self, _: &String, at_most: usize, _: bool) -> Result<Vec<AuditView>, Refusal> {
        Ok(self.look().audit.iter().take(at_most).cloned().collect())
    }
}

/// What a doctor would find in a sample: its problems, a warning, and a part of the checklist.
fn findings(status: &StatusView) -> DoctorView {
    let finding = |id: &str, severity: &str, seen: &str, fix: &str| FindingView {
        id: id.to_owned(),
        severity: severity.to_owned(),
        about: String::new(),
        seen: seen.to_owned(),
        why: "A master that does not answer is one death less that can be survived.".to_owned(),
        fix: fix.to_owned(),
    };
    let mut findings: Vec<FindingView> = status
        .problems
        .iter()
        .map(|text| finding("masters-answer", "problem", text, "on host-c: quorate start"))
        .collect();
    let problems = findings.len();
    if problems > 0 {
        let seen = "the clock of host-b is 0.912 s ahead of that of host-a";
        let fix = "on host-b (or host-a, if it is the one that is wrong): timedatectl set-ntp true";
        findings.push(finding("clocks", "warning", seen, fix));
    }
    for (id, seen) in [
        ("masters-agree", "all that answered have the leader host-a, term 4, epoch 1, 3 voters"),
        ("state-equal", "3 of 3 masters have the same state at log index 184203"),
        ("ports", "12 ports were tried from every side and answered"),
        ("disk-space", "there is space on every data folder (3 hosts)"),
        ("permissions", "folders and keys are for their owner only (3 hosts)"),
    ] {
        findings.push(finding(id, "ok", seen, ""));
    }
    let unseen = "nothing is known of this: no host was looked at for it";
    findings.push(finding("time-sync", "unknown", unseen, ""));
    let fix =
        "keep the root key apart from the hosts; a stopped master's data folder is a copy: cp -a";
    findings.push(finding("backups", "info", "not configured: this version makes no backups", fix));
    DoctorView {
        at: "2026-08-02T02:15:00.000Z".to_owned(),
        asked_by: "host-a".to_owned(),
        quorate: status.quorate,
        problems,
        warnings: usize::from(problems > 0),
        findings,
    }
}
