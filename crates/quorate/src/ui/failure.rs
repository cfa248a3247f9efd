//! The one error type of the command line: what is said and how the process exits.

use std::fmt::Write as _;

use quorate_api::{ErrorBody, exit};
use quorate_client::ClientError;
use quorate_model::{Code, Refusal, codes};

use super::{Paint, Tone, paint::one_line};

/// What a command ends with: its exit code, or why it failed.
pub(crate) type Outcome = Result<u8, Failure>;

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What is said.
    pub(crate) body: Box<ErrorBody>,
    /// How the process exits.
    pub(crate) exit: u8,
    /// The operation it concerns.
    pub(crate) operation: Option<String>,
    /// Whether a master took a question and never answered it.
    pub(crate) silent: bool,
}

/// A hint of REST that is none on a command line: what has `--stale` says so itself.
const STALE_OF_REST: &str = "read with ?consistency=stale what this node holds, or see ";

impl Failure {
    /// The command line or its input was wrong.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Refusal::new(codes::REQUEST_MALFORMED, message).hint(hint).into()
    }

    /// Exits with this code instead of the one that belongs to the error's code.
    pub(crate) fn exiting(mut self, exit: u8) -> Self {
        self.exit = exit;
        self
    }

    /// When no master answered: why, and whether one had taken the question.
    pub(crate) fn unanswered(&self) -> Option<(String, bool)> {
        let unanswered = self.body.code == codes::MASTER_UNREACHABLE;
        let reason = || self.body.cause.clone().unwrap_or_else(|| self.body.message.clone());
        unanswered.then(|| (reason(), self.silent))
    }

    /// Names the operation it concerns.
    pub(crate) fn of_operation(mut self, id: &str) -> Self {
        self.operation = Some(id.to_owned());
        self
    }

    /// Gives a hint unless there is one.
    pub(crate) fn or_hint(mut self, hint: impl FnOnce() -> String) -> Self {
        if self.body.hint.is_none() {
            self.body.hint = Some(hint());
        }
        self
    }

    /// The error as people read it.
    pub(crate) fn render(&self, paint: Paint) -> String {
        let mut text = String::new();
        block(&mut text, paint, &self.body.refusal());
        for other in &self.body.others {
            block(&mut text, paint, other);
        }
        let mut trailer = Vec::new();
        if let Some(operation) = &self.operation {
            trailer.push(format!("operation {}", one_line(operation)));
        }
        if !self.body.request_id.is_empty() {
            trailer.push(format!("request {}", one_line(&self.body.request_id)));
        }
        trailer.push(format!("quorate help {}", self.body.code));
        let trailer = paint.text(Tone::Dim, &trailer.join("  ·  "));
        let _ = writeln!(text, "  {trailer}");
        text
    }
}

fn block(text: &mut String, paint: Paint, refusal: &Refusal) {
    let Refusal { code, message, cause, hint } = refusal;
    let head = paint.text(Tone::Danger, &head(*code));
    let _ = writeln!(text, "{head}: {}", indented(message, "  "));
    if let Some(cause) = cause {
        let label = paint.text(Tone::Dim, "cause:");
        let _ = writeln!(text, "  {label} {}", indented(cause, "         "));
    }
    if let Some(hint) = hint {
        let label = paint.text(Tone::Success, "hint:");
        let _ = writeln!(text, "  {label}  {}", indented(hint, "         "));
    }
}

fn head(code: Code) -> String {
    format!("error[{code}]")
}

/// Further lines stand below the first.
fn indented(text: &str, indent: &str) -> String {
    let lines: Vec<String> =
        text.lines().map(|line| line.chars().filter(|char| !char.is_control()).collect()).collect();
    lines.join(&format!("\n{indent}"))
}

impl From<ErrorBody> for Failure {
    fn from(mut body: ErrorBody) -> Self {
        if let Some(hint) = &mut body.hint {
            *hint = hint.replace(STALE_OF_REST, "see on a master's host: ");
        }
        let exit = exit::for_code(body.code);
        Self { exit, body: Box::new(body), operation: None, silent: false }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        ErrorBody::new(refusal, "").into()
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let silent = matches!(error, ClientError::Silent { .. });
        // There was nobody to do anything: the same call may succeed later.
        let nobody = silent || matches!(error, ClientError::Unreachable { .. });
        let failure = Self { silent, ..error.into_body().into() };
        if nobody { failure.exiting(exit::NO_QUORUM) } else { failure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Failure {
        let refusal = Refusal::new(
            codes::QUORUM_WOULD_BE_LOST,
            "cannot restart `orders`: etcd cluster `orders` would lose quorum",
        )
        .cause("member `orders-1` has been unreachable for 4m12s (1 of 3 would remain)")
        .hint("restore `orders-1` first: quorate component show orders");
        ErrorBody::new(refusal, "01J8ZQ").into()
    }

    #[test]
    fn an_error_says_what_why_and_what_next() {
        insta::assert_snapshot!(sample().render(Paint { enabled: false }), @r"
        error[Q2104]: cannot restart `orders`: etcd cluster `orders` would lose quorum
          cause: member `orders-1` has been unreachable for 4m12s (1 of 3 would remain)
          hint:  restore `orders-1` first: quorate component show orders
          request 01J8ZQ  ·  quorate help Q2104
        ");
    }

    #[test]
    fn an_error_in_colour_has_the_same_words() {
        insta::assert_debug_snapshot!(sample().render(Paint { enabled: true }));
    }

    #[test]
    fn every_refusal_is_told_and_the_operation_is_named() {
        let mut failure = sample().of_operation("01J8OP");
        failure.body.others.push(Refusal::new(codes::MEMBER_UNKNOWN, "line one\nline \u{1b}two"));
        insta::assert_snapshot!(failure.render(Paint { enabled: false }), @r"
        error[Q2104]: cannot restart `orders`: etcd cluster `orders` would lose quorum
          cause: member `orders-1` has been unreachable for 4m12s (1 of 3 would remain)
          hint:  restore `orders-1` first: quorate component show orders
        error[Q2106]: line one
          line two
          operation 01J8OP  ·  request 01J8ZQ  ·  quorate help Q2104
        ");
    }

    #[test]
    fn where_no_master_answers_a_script_may_ask_again() {
        let (what, reason) = ("/run/quorate/admin.sock".to_owned(), "x".to_owned());
        let dead = ClientError::Unreachable { what: what.clone(), reason: reason.clone() };
        let dead = Failure::from(dead);
        assert_eq!(
            (dead.exit, dead.unanswered()),
            (exit::NO_QUORUM, Some(("x".to_owned(), false)))
        );
        assert!(dead.body.hint.unwrap().contains("quorate start"));
        let hangs =
            Failure::from(ClientError::Silent { what: what.clone(), reason: reason.clone() });
        assert_eq!(
            (hangs.exit, hangs.unanswered()),
            (exit::NO_QUORUM, Some(("x".to_owned(), true)))
        );
        assert!(!hangs.body.message.contains("change"), "{}", hangs.body.message);
        // What answers there and is no master will be none in a minute, either.
        let foreign =
            Failure::from(ClientError::Foreign { what: what.clone(), reason: reason.clone() });
        assert_eq!(foreign.exit, exit::FAILED);
        let lost = Failure::from(ClientError::Interrupted { what, reason });
        assert_eq!((lost.exit, lost.unanswered()), (exit::FAILED, None));
    }

    #[test]
    fn a_hint_of_rest_is_none_on_a_command_line() {
        let rest = "read with ?consistency=stale what this node holds, or see quorate status";
        let failure = Failure::from(Refusal::new(codes::NO_LEADER, "x").hint(rest));
        assert_eq!(failure.body.hint.as_deref(), Some("see on a master's host: quorate status"));
    }

    #[test]
    fn exit_codes_follow_the_codes() {
        let table = [
            (codes::QUORUM_WOULD_BE_LOST, exit::REFUSED),
            (codes::OPERATION_CONFLICT, exit::REFUSED),
            (codes::NO_LEADER, exit::NO_QUORUM),
            (codes::NOT_READY, exit::NO_QUORUM),
            (codes::REQUEST_MALFORMED, exit::USAGE),
            (codes::SPECIFICATION_INVALID, exit::USAGE),
            (codes::NOT_FOUND, exit::FAILED),
            (codes::UNAUTHENTICATED, exit::FAILED),
            (codes::OUTCOME_UNKNOWN, exit::FAILED),
            (codes::MASTER_UNREACHABLE, exit::FAILED),
            (codes::INTERNAL, exit::BUG),
        ];
        for (code, expected) in table {
            assert_eq!(Failure::from(Refusal::new(code, "x")).exit, expected, "{code}");
        }
    }
}
