//! The progress of an operation on stderr: a line per step in place on a terminal, otherwise one
//! line per finished step and per reason to wait.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use quorate_api::rest::{OperationView, StepView};

use super::{Paint, Tone, Ui, paint::one_line};

/// Shows how an operation goes on.
pub(crate) struct Progress {
    ui: Ui,
    live: Option<Live>,
    told: Told,
}

struct Live {
    all: MultiProgress,
    steps: BTreeMap<usize, ProgressBar>,
    last: ProgressBar,
}

/// What was told already, so that it is told once.
#[derive(Default)]
struct Told {
    steps: BTreeMap<usize, String>,
    /// The reasons that started steps wait for, without their numbers: a lag that shrinks is one
    /// reason and not a hundred.
    reasons: BTreeSet<(usize, String)>,
    note: String,
    status: String,
}

impl Progress {
    /// Nothing is shown with `--quiet`.
    pub(crate) fn new(ui: Ui) -> Self {
        let live = (ui.live && !ui.quiet).then(|| {
            let all = MultiProgress::new();
            let last = all.add(ProgressBar::new_spinner());
            last.set_style(spinner("{spinner} {msg}"));
            last.enable_steady_tick(Duration::from_millis(120));
            Live { all, steps: BTreeMap::new(), last }
        });
        Self { ui, live, told: Told::default() }
    }

    /// Shows the operation as it is now.
    pub(crate) fn show(&mut self, view: &OperationView) {
        let paint = self.ui.paint_errors;
        match &mut self.live {
            Some(live) => live.show(view, paint),
            None => {
                for line in self.told.news(view) {
                    self.ui.note(&line);
                }
            }
        }
        self.told.note.clear();
    }

    /// Tells why nothing is known at present.
    pub(crate) fn waiting(&mut self, why: &str) {
        let why = one_line(why);
        match &self.live {
            Some(live) => live.last.set_message(format!("waiting: {why}")),
            None if self.told.note != why => {
                self.ui.note(&format!("waiting: {why}"));
                self.told.note = why;
            }
            None => {}
        }
    }

    /// Leaves the steps as plain lines and ends.
    pub(crate) fn end(self) {
        if let Some(live) = self.live {
            // A line that is not finished would be drawn once more when it is dropped.
            live.last.finish_and_clear();
            live.steps.values().for_each(ProgressBar::finish_and_clear);
            for step in live.steps.values() {
                self.ui.note(&step.message());
            }
        }
    }
}

fn spinner(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Live {
    fn show(&mut self, view: &OperationView, paint: Paint) {
        for step in view.step_list.iter().filter(|step| step.status != "pending") {
            let bar = self.steps.entry(step.number).or_insert_with(|| {
                let bar = ProgressBar::new_spinner().with_style(spinner("{msg}"));
                self.all.insert_before(&self.last, bar)
            });
            bar.set_message(step_line(step, view.step_list.len(), paint));
        }
        let summary = &view.summary;
        self.last.set_message(format!(
            "{}: {}, {} of {} steps",
            one_line(&summary.title),
            paint.word(&summary.status),
            summary.finished_steps,
            summary.steps
        ));
    }
}

impl Told {
    /// The lines that say what is new.
    fn news(&mut self, view: &OperationView) -> Vec<String> {
        let plain = Paint { enabled: false };
        let mut lines = Vec::new();
        for step in &view.step_list {
            let ended = !matches!(step.status.as_str(), "pending" | "started");
            if ended && self.steps.get(&step.number) != Some(&step.status) {
                lines.push(step_line(step, view.step_list.len(), plain));
                self.steps.insert(step.number, step.status.clone());
            }
            if step.status == "started" && !step.seen.is_empty() {
                let reason = step.seen.chars().filter(|it| !it.is_ascii_digit()).collect();
                if self.reasons.insert((step.number, reason)) {
                    lines.push(step_line(step, view.step_list.len(), plain));
                }
            }
        }
        let status = &view.summary.status;
        if *status != self.status && matches!(status.as_str(), "paused" | "aborting") {
            lines.push(format!("the operation is {status}"));
        }
        self.status.clone_from(status);
        lines
    }
}

fn step_line(step: &StepView, of: usize, paint: Paint) -> String {
    let number = format!("[{}/{of}]", step.number);
    let seen = one_line(&step.seen);
    let seen = if seen.is_empty() { seen } else { format!("  ({seen})") };
    format!(
        "{} {} {}{}",
        paint.text(Tone::Dim, &number),
        paint.word(&step.status),
        one_line(&step.title),
        paint.text(Tone::Dim, &seen)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::views::samples;

    #[test]
    fn a_finished_step_is_told_once() {
        let mut told = Told::default();
        let mut view = samples::operation();
        insta::assert_snapshot!(told.news(&view).join("\n"), @r"
        [1/3] finished require quorum of `orders` without `orders-2`  (3 of 3 healthy)
        [2/3] started restart `orders-2`  (waiting for `orders-2` to be ready)
        ");
        assert_eq!(told.news(&view), Vec::<String>::new());
        for (seen, is_new) in [
            ("waiting: applied index 7 of 900", true),
            ("waiting: applied index 850 of 900", false),
            ("waiting for `orders-2` to be ready", false),
        ] {
            view.step_list[1].seen = seen.to_owned();
            assert_eq!(told.news(&view).len(), usize::from(is_new), "{seen}");
        }
        view.step_list[1].status = "finished".to_owned();
        view.summary.status = "paused".to_owned();
        insta::assert_snapshot!(told.news(&view).join("\n"), @r"
        [2/3] finished restart `orders-2`  (waiting for `orders-2` to be ready)
        the operation is paused
        ");
    }
}
