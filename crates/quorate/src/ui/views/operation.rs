//! Operations, their steps, their transcripts.

use std::fmt::Write as _;

use quorate_api::rest::{OperationSummary, OperationView};

use crate::ui::{Cell, Failure, Grid, Paint, Tone};

/// The operations as a table.
pub(crate) fn operations(views: &[OperationSummary], paint: Paint) -> String {
    let header = ["OPERATION", "STATUS", "STEPS", "REQUESTED", "BY", "TITLE"];
    let mut grid = Grid::new(&header);
    for view in views {
        grid.row(vec![
            Cell::new(&view.id),
            Cell::word(&view.status),
            Cell::new(format!("{}/{}", view.finished_steps, view.steps)),
            Cell::new(&view.requested_at),
            Cell::new(&view.requested_by),
            Cell::new(&view.title),
        ]);
    }
    grid.render(paint, "no operations")
}

/// One operation with its steps.
pub(crate) fn operation(view: &OperationView, paint: Paint) -> String {
    let summary = &view.summary;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}: {}, {} of {} steps",
        paint.text(Tone::Strong, &summary.title),
        paint.word(&summary.status),
        summary.finished_steps,
        summary.steps
    );
    let mut line = |label: &str, value: &str| {
        let label = paint.text(Tone::Dim, &format!("{label:<10}"));
        let _ = writeln!(text, "  {label} {value}");
    };
    line("operation", &summary.id);
    line("requested", &format!("{} by {}", summary.requested_at, summary.requested_by));
    if let Some(ended_at) = &summary.ended_at {
        line("ended", ended_at);
    }
    let mut grid = Grid::new(&["STEP", "STATUS", "WHAT", "SEEN"]);
    for step in &view.step_list {
        grid.row(vec![
            Cell::new(step.number.to_string()),
            Cell::word(&step.status),
            Cell::new(&step.title),
            Cell::new(&step.seen),
        ]);
    }
    let _ = write!(text, "\n{}", grid.render(paint, "no steps"));
    if let Some(refusal) = &view.refusal {
        let failure = Failure::from(refusal.clone()).of_operation(&summary.id);
        let _ = write!(text, "\n{}", failure.render(paint));
    }
    for (place, step) in view.to_do.iter().enumerate() {
        let label = if place == 0 { "to do" } else { "" };
        let label = paint.text(Tone::Strong, &format!("{label:<6}"));
        let gap = if place == 0 { "\n" } else { "" };
        let _ = writeln!(text, "{gap}  {label} {step}");
    }
    text
}

/// How a waited operation ended, in one line.
pub(crate) fn ended(view: &OperationSummary, paint: Paint) -> String {
    format!(
        "{} {}: {} ({} of {} steps)\n",
        view.id,
        paint.word(&view.status),
        view.title,
        view.finished_steps,
        view.steps
    )
}

/// What was done, when, by whom.
pub(crate) fn transcript(view: &OperationView, paint: Paint) -> String {
    let mut grid = Grid::new(&["AT", "BY", "WHAT"]);
    for line in &view.transcript {
        grid.row(vec![Cell::new(&line.at), Cell::new(&line.by), Cell::new(&line.what)]);
    }
    grid.render(paint, "nothing has been done yet")
}

#[cfg(test)]
mod tests {
    use quorate_model::{Refusal, codes};

    use super::*;
    use crate::ui::views::samples;

    const PLAIN: Paint = Paint { enabled: false };

    #[test]
    fn operations_are_a_table() {
        insta::assert_snapshot!(operations(&[samples::operation().summary], PLAIN));
    }

    #[test]
    fn an_operation_shows_its_steps_and_why_it_is_stuck() {
        let mut view = samples::operation();
        view.summary.status = "stuck".to_owned();
        view.refusal = Some(
            Refusal::new(codes::STEP_DEADLINE, "`orders-2` did not become ready")
                .hint("quorate component logs orders orders-2"),
        );
        view.to_do = vec![
            "mend what its refusal names, then: quorate operation resume ID".to_owned(),
            "or take back what was done: quorate operation abort ID".to_owned(),
        ];
        insta::assert_snapshot!(operation(&view, PLAIN));
    }

    #[test]
    fn the_end_is_one_line() {
        insta::assert_snapshot!(ended(&samples::operation().summary, PLAIN), @"01J8OPERATION running: component restart orders (1 of 3 steps)");
    }

    #[test]
    fn a_transcript_says_when_who_and_what() {
        insta::assert_snapshot!(transcript(&samples::operation(), PLAIN));
    }
}
