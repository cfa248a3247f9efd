//! What the doctor found: what is wrong first, each with its fix; what is well in one line each.

use std::fmt::Write as _;

use quorate_api::rest::{DoctorView, FindingView};

use crate::ui::{Paint, Tone, one_line};

/// The findings as text.
pub(crate) fn doctor(view: &DoctorView, paint: Paint) -> String {
    let mut text = String::new();
    let count = |number: usize, one: &str| match number {
        1 => format!("1 {one}"),
        many => format!("{many} {one}s"),
    };
    let (problems, warnings) = (count(view.problems, "problem"), count(view.warnings, "warning"));
    let tone = match (view.problems, view.warnings) {
        (0, 0) => Tone::Success,
        (0, _) => Tone::Warn,
        _ => Tone::Danger,
    };
    let verdict = paint.text(tone, &format!("{problems}, {warnings}"));
    let by = if view.asked_by.is_empty() {
        "this host only, as no master answered".to_owned()
    } else {
        format!("all masters, asked by {}", view.asked_by)
    };
    let _ = writeln!(text, "{verdict} ({by})");
    for finding in view.findings.iter().filter(|it| is_bad(it)) {
        text.push('\n');
        told(&mut text, finding, paint);
    }
    let mut rest = view.findings.iter().filter(|it| !is_bad(it)).peekable();
    if rest.peek().is_some() {
        text.push('\n');
    }
    for finding in rest {
        let word = paint.text(tone_of(finding), &format!("{:<8}", finding.severity));
        let _ = writeln!(text, "{word} {:<15} {}", finding.id, one_line(&finding.seen));
        if !finding.fix.is_empty() {
            let label = paint.text(Tone::Dim, "fix:");
            let _ = writeln!(text, "{:24} {label} {}", "", one_line(&finding.fix));
        }
    }
    text
}

fn is_bad(finding: &FindingView) -> bool {
    matches!(finding.severity.as_str(), "problem" | "warning")
}

fn tone_of(finding: &FindingView) -> Tone {
    match finding.severity.as_str() {
        "problem" => Tone::Danger,
        "warning" => Tone::Warn,
        "ok" => Tone::Success,
        _ => Tone::Dim,
    }
}

fn told(text: &mut String, finding: &FindingView, paint: Paint) {
    let word = paint.text(tone_of(finding), &format!("{:<8}", finding.severity));
    let id = paint.text(Tone::Strong, &format!("{:<15}", finding.id));
    let _ = writeln!(text, "{word} {id} {}", one_line(&finding.seen));
    let mut line = |label: &str, words: &str| {
        if !words.is_empty() {
            let label = paint.text(Tone::Dim, &format!("{label:<4}"));
            let _ = writeln!(text, "         {label} {}", one_line(words));
        }
    };
    line("why:", &finding.why);
    line("fix:", &finding.fix);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(id: &str, severity: &str, seen: &str, fix: &str) -> FindingView {
        FindingView {
            id: id.to_owned(),
            severity: severity.to_owned(),
            about: String::new(),
            seen: seen.to_owned(),
            why: "It matters.".to_owned(),
            fix: fix.to_owned(),
        }
    }

    #[test]
    fn what_is_wrong_comes_first_with_its_fix() {
        let view = DoctorView {
            at: "2026-01-02T03:04:05Z".to_owned(),
            asked_by: "db-1".to_owned(),
            quorate: true,
            problems: 1,
            warnings: 1,
            findings: vec![
                finding(
                    "masters-answer",
                    "problem",
                    "db-3 does not answer",
                    "on db-3: quorate run",
                ),
                finding("clocks", "warning", "the clock of db-2 is 0.900 s ahead", "timedatectl"),
                finding("quorum", "ok", "a quorum of 3 voters acts", ""),
                finding("backups", "info", "not configured", "keep the root key"),
            ],
        };
        insta::assert_snapshot!(doctor(&view, Paint { enabled: false }), @r"
        1 problem, 1 warning (all masters, asked by db-1)

        problem  masters-answer  db-3 does not answer
                 why: It matters.
                 fix: on db-3: quorate run

        warning  clocks          the clock of db-2 is 0.900 s ahead
                 why: It matters.
                 fix: timedatectl

        ok       quorum          a quorum of 3 voters acts
        info     backups         not configured
                                 fix: keep the root key
        ");
    }
}
