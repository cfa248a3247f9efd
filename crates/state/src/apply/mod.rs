//! Applies commands: synchronous, total, deterministic; a refusal changes nothing.
//!
//! One file per noun. Each function checks everything first and changes the state last, so a
//! command never fails half-way.

mod cluster;
mod components;
mod interventions;
mod masters;
mod nodes;
mod operations;
mod recovery;
mod reset;
mod settings;
mod tokens;
mod users;

use quorate_model::{LogIndex, Refusal, RequestId, Revision, codes};

use crate::{
    Command, Outcome, Proposal, State,
    recent::{Known, command_digest},
};

/// What every command may depend on besides the state.
struct Context<'a> {
    /// The log index the command stands at; new revisions are made of it.
    index: LogIndex,
    proposal: &'a Proposal,
}

impl Context<'_> {
    const fn revision(&self) -> Revision {
        Revision(self.index.0)
    }
}

impl State {
    /// Applies one proposal at its place in the log and says what came of it.
    pub fn apply(&mut self, index: LogIndex, proposal: &Proposal) -> Outcome {
        self.applied = index;
        if let Err(refusal) = self.still_allowed(proposal) {
            // It is not remembered: whoever logs in anew may repeat the request.
            let outcome = Err(refusal);
            self.audit.record(index, proposal, &outcome);
            return outcome;
        }
        let Some(id) = &proposal.request_id else {
            return self.apply_new(index, proposal);
        };
        let digest = proposal.digest.unwrap_or_else(|| command_digest(&proposal.command));
        match self.recent.find(&proposal.principal, id, &digest) {
            Known::Same(outcome) => outcome,
            Known::Different => {
                let outcome = Err(key_of_another_request(id));
                self.audit.record(index, proposal, &outcome);
                outcome
            }
            Known::New => {
                let outcome = self.apply_new(index, proposal);
                self.recent.remember(proposal.at, &proposal.principal, id, digest, &outcome);
                outcome
            }
        }
    }

    /// Whether the login that allowed it has not ended with a reset since.
    fn still_allowed(&self, proposal: &Proposal) -> Result<(), Refusal> {
        let last = self.metadata.last_reset;
        if proposal.allowed_after.is_none_or(|known| known >= last) {
            return Ok(());
        }
        Err(Refusal::new(codes::UNAUTHENTICATED, "login is needed")
            .cause("the cluster was reset since, and every login ended with that")
            .hint("quorate login, or POST /admin/api/auth/login"))
    }

    fn apply_new(&mut self, index: LogIndex, proposal: &Proposal) -> Outcome {
        let context = Context { index, proposal };
        let outcome = self.dispatch(&context);
        self.audit.record(index, proposal, &outcome);
        outcome
    }

    fn dispatch(&mut self, context: &Context<'_>) -> Outcome {
        match &context.proposal.command {
            Command::CreateCluster { .. } => cluster::create(self, context),
            Command::PutSetting { key, value, expect } => {
                settings::put(self, context, key, value, *expect)
            }
            Command::DeleteSetting { key, expect } => settings::delete(self, key, *expect),
            Command::CreateToken { id, token } => tokens::create(self, *id, token),
            Command::RevokeToken { id } => tokens::revoke(self, *id),
            Command::Enrol { token, key_sha256, node } => {
                tokens::enrol(self, context, *token, key_sha256, node)
            }
            Command::RequestEnrolment { token, enrolment } => {
                tokens::request(self, context, *token, enrolment)
            }
            Command::ApproveEnrolment { token, key_sha256 } => {
                tokens::approve(self, context, *token, key_sha256)
            }
            Command::RefuseEnrolment { token } => tokens::refuse(self, context, *token),
            Command::SetVotes { nodes, votes, reason, even_because } => {
                masters::set_votes(self, context, nodes, *votes, reason, even_because.as_deref())
            }
            Command::AllowEvenVoters { because } => {
                masters::allow_even(self, context, because.as_deref())
            }
            Command::SetPriority { id, priority } => masters::set_priority(self, *id, *priority),
            Command::SetMasterPolicy { policy } => masters::set_policy(self, policy),
            Command::UpdateNode { id, node } => nodes::update(self, context, *id, node),
            Command::ReportOrder { id, report } => nodes::report_order(self, *id, report),
            Command::RecordBinary { id, version, reads_level } => {
                nodes::record_binary(self, *id, version, *reads_level)
            }
            Command::CreateSession { token_sha256, session } => {
                users::create_session(self, token_sha256, session)
            }
            Command::EndSession { token_sha256 } => users::end_session(self, token_sha256),
            Command::PutUser { name, user, former } => {
                users::put(self, name, user, former.as_deref())
            }
            Command::SubmitOperation { id, plan, key } => {
                operations::submit(self, context, *id, plan, key.as_ref())
            }
            Command::BeginStep { id, step, term } => {
                operations::begin_step(self, context, *id, *step, *term)
            }
            Command::FinishStep { id, step, term, seen } => {
                operations::finish_step(self, context, *id, *step, *term, seen)
            }
            Command::FailStep { id, step, term, refusal } => {
                operations::fail_step(self, context, *id, *step, *term, refusal)
            }
            Command::UndoStep { id, step, term, seen } => {
                operations::undo_step(self, context, *id, *step, *term, seen)
            }
            Command::PauseOperation { id } => interventions::pause(self, context, *id),
            Command::ResumeOperation { id } => interventions::resume(self, context, *id),
            Command::AbortOperation { id, leave_as_is: false } => {
                interventions::abort(self, context, *id)
            }
            Command::AbortOperation { id, leave_as_is: true } => {
                interventions::leave(self, context, *id)
            }
            Command::Recover { .. } => recovery::recover(self, context),
        }
    }
}

/// The refusal for a key that its principal used for something else.
fn key_of_another_request(key: &RequestId) -> Refusal {
    Refusal::new(
        codes::REQUEST_MALFORMED,
        format!("the idempotency key `{key}` was used for a different request"),
    )
    .hint("use a new key for a new request; the same key only repeats the same request")
}

/// The refusal for something that is not there.
fn not_found(what: impl std::fmt::Display) -> Refusal {
    Refusal::new(codes::NOT_FOUND, format!("there is no {what}"))
}
