//! The state of the quorum: what is wrong first.

use std::fmt::Write as _;

use quorate_api::rest::{RecoveryView, StatusView};

use super::node::{managers, masters};
use crate::ui::{Paint, Tone, one_line};

/// The status as text.
pub(crate) fn status(view: &StatusView, paint: Paint) -> String {
    let mut text = String::new();
    let (tone, verdict) = match (view.quorate, view.healthy) {
        (false, _) => (Tone::Danger, "no quorum"),
        (true, false) => (Tone::Warn, "not healthy"),
        (true, true) => (Tone::Success, "healthy"),
    };
    let _ = writeln!(text, "cluster {}: {}", view.cluster_id, paint.text(tone, verdict));
    for problem in &view.problems {
        let _ = writeln!(text, "  {} {problem}", paint.text(Tone::Warn, "!"));
    }
    for step in &view.to_do {
        let label = paint.text(Tone::Strong, &format!("{:<14}", "to do"));
        let _ = writeln!(text, "  {label} {step}");
    }
    let leader = view.leader.as_ref().map_or_else(
        || "none".to_owned(),
        |id| {
            let name = view.masters.iter().find(|master| master.id == *id);
            name.map_or_else(|| id.clone(), |master| format!("{} ({id})", master.name))
        },
    );
    let may_fail = match view.failure_tolerance {
        None => paint.text(Tone::Danger, "too few are left to act"),
        Some(0) => paint.text(Tone::Warn, "none may fail"),
        Some(count) => format!("{count} may fail"),
    };
    let mut line = |label: &str, value: &str| {
        let label = paint.text(Tone::Dim, &format!("{label:<14}"));
        let _ = writeln!(text, "  {label} {value}");
    };
    line("leader", &leader);
    let joint = if view.joint { ", a change of voters is under way" } else { "" };
    line("voters", &format!("{}, {may_fail}{joint}", view.voters));
    if let Some(preferred) = &view.preferred_leader {
        let when = preferred.takes_over_in_ms.map_or_else(
            || "takes over once it is back and steady".to_owned(),
            |ms| format!("takes over in {} s", ms.div_ceil(1_000)),
        );
        line("preferred", &format!("{} {when}", preferred.node));
    }
    if let Some(even) = &view.even_voters {
        line("even voters", &format!("allowed: {} ({})", even.reason, even.by));
    }
    if !view.autopilot_waits.is_empty() {
        line("autopilot", &view.autopilot_waits);
    }
    if view.enrolments_waiting > 0 {
        let count = view.enrolments_waiting;
        line("at the door", &format!("{count} to approve: quorate enrolment list"));
    }
    if !view.one_more_death.is_empty() {
        line("one more death", &view.one_more_death);
    }
    line(
        "log",
        &format!(
            "term {}, applied {}, epoch {}, feature level {}",
            view.term, view.applied_index, view.epoch, view.feature_level
        ),
    );
    if let Some(RecoveryView { at, keeper, written_off, .. }) = &view.recovery {
        let gone = written_off.join(", ");
        line("recovered", &format!("at {at} from {keeper}; written off for ever: {gone}"));
    }
    for operation in &view.operations {
        let at = format!(
            "{} is {}, {} of {} steps ({})",
            operation.title,
            operation.status,
            operation.finished_steps,
            operation.steps,
            operation.id
        );
        line("operation", &at);
    }
    let _ = write!(text, "\n{}", masters(&view.masters, paint));
    let _ = write!(text, "\n{}", managers(&view.node_managers, paint));
    text
}

/// The status in one line: what a log file shall show whenever it changes. What moves all the
/// time, such as the log's index, is left out.
pub(crate) fn status_line(view: &StatusView) -> String {
    let verdict = match (view.quorate, view.healthy) {
        (false, _) => "no quorum",
        (true, false) => "not healthy",
        (true, true) => "healthy",
    };
    let voters = view.masters.iter().filter(|master| master.role == "voter");
    let ready = voters.filter(|master| master.ready).count();
    let leader = view.leader.as_deref().unwrap_or("none");
    let tolerance =
        view.failure_tolerance.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let mut text = format!(
        "{verdict}: leader {leader}, term {}, epoch {}, voters {ready}/{} ready, may fail {tolerance}, \
         operations {}",
        view.term,
        view.epoch,
        view.voters,
        view.operations.len(),
    );
    for problem in &view.problems {
        let _ = write!(text, "; {}", one_line(problem));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::views::samples;

    #[test]
    fn a_healthy_cluster_is_told_in_a_screen() {
        insta::assert_snapshot!(status(&samples::status(), Paint { enabled: false }));
    }

    #[test]
    fn a_recovery_from_lost_quorum_is_not_forgotten() {
        let mut view = samples::status();
        view.epoch = 1;
        view.recovery = Some(RecoveryView {
            at: "2026-11-20T02:11:09.000Z".to_owned(),
            keeper: "n2".to_owned(),
            written_off: vec!["n1".to_owned(), "n3".to_owned()],
            plan_sha256: "9f1ac0".to_owned(),
        });
        let text = status(&view, Paint { enabled: false });
        let line =
            "recovered      at 2026-11-20T02:11:09.000Z from n2; written off for ever: n1, n3";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn what_is_wrong_comes_first() {
        let mut view = samples::status();
        view.quorate = false;
        view.healthy = false;
        view.leader = None;
        view.failure_tolerance = None;
        view.problems = vec!["master `db-2` (n2) has been silent for 12s".to_owned()];
        view.to_do = vec!["start db-2; on its host: quorate start".to_owned()];
        view.masters[1].ready = false;
        view.masters[1].reason = "no answer for 12s".to_owned();
        insta::assert_snapshot!(status(&view, Paint { enabled: false }));
    }

    #[test]
    fn one_line_holds_what_a_log_needs() {
        let mut view = samples::status();
        assert_eq!(
            status_line(&view),
            "healthy: leader n1, term 4, epoch 0, voters 3/3 ready, may fail 1, operations 1\n"
        );
        view.quorate = false;
        view.leader = None;
        view.failure_tolerance = None;
        view.masters[1].ready = false;
        view.problems = vec!["no quorum\nof masters acts".to_owned()];
        assert_eq!(
            status_line(&view),
            "no quorum: leader none, term 4, epoch 0, voters 2/3 ready, may fail -, operations 1; \
             no quorum of masters acts\n"
        );
    }

    #[test]
    fn colours_add_nothing_to_the_words() {
        insta::assert_debug_snapshot!(status(&samples::status(), Paint { enabled: true }));
    }
}
