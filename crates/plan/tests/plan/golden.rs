//! Renders plans and refusals as an operator reads them, and compares them with the files below
//! `tests/golden`. After a wanted change, run once with `QUORATE_UPDATE_GOLDEN=1` and read the
//! difference.

use std::{fmt::Write as _, fs, path::PathBuf};

use quorate_model::{Plan, Refusal, Step, StepKind, Undo};

/// Compares an answer of the planner with the file of that name.
#[track_caller]
pub(crate) fn golden(name: &str, answer: &Result<Plan, Vec<Refusal>>) {
    compare(
        name,
        &match answer {
            Ok(plan) => runbook(plan),
            Err(refusals) => refused(refusals),
        },
    );
}

/// Compares a text with the file of that name.
#[track_caller]
pub(crate) fn compare(name: &str, text: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let path = folder.join(format!("{name}.txt"));
    if std::env::var_os("QUORATE_UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    assert_eq!(text, expected, "{name}");
}

fn runbook(plan: &Plan) -> String {
    let mut text = format!("{}\n", plan.request.title());
    for pin in &plan.pins {
        let _ = match pin.revision {
            Some(revision) => writeln!(text, "made for {} at revision {revision}", pin.subject),
            None => writeln!(text, "made for there being no {}", pin.subject),
        };
    }
    for subject in &plan.locks {
        let _ = writeln!(text, "locks {subject}");
    }
    for (number, step) in (1..).zip(&plan.steps) {
        let _ = writeln!(text, "\n{number:2}. {}", step.title);
        let _ = writeln!(text, "    why:  {}", step.why);
        let _ = writeln!(
            text,
            "    does: {} (within {} s)",
            machine(&step.kind),
            step.deadline_ms / 1000
        );
        let _ = writeln!(text, "    undo: {}", undo(step));
    }
    text
}

/// What the engine reads, without the specification.
fn machine(kind: &StepKind) -> String {
    let mut value = serde_json::to_value(kind).unwrap();
    value.as_object_mut().unwrap().remove("spec");
    let fields: Vec<String> = value
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| format!("{key}={}", value.to_string().trim_matches('"')))
        .collect();
    fields.join(" ")
}

fn undo(step: &Step) -> String {
    match &step.undo {
        Undo::Nothing => "nothing".to_owned(),
        Undo::Do { kind } => machine(kind),
        Undo::Impossible => "impossible: the point of no return".to_owned(),
    }
}

pub(crate) fn refused(refusals: &[Refusal]) -> String {
    let mut text = String::new();
    for refusal in refusals {
        let _ = writeln!(text, "refused[{}]: {}", refusal.code, refusal.message);
        if let Some(cause) = &refusal.cause {
            let _ = writeln!(text, "  cause: {cause}");
        }
        if let Some(hint) = &refusal.hint {
            let _ = writeln!(text, "  hint:  {hint}");
        }
    }
    text
}
