//! The doctor's checklist: what is wrong first, each with its fix; what is well in a line.

use askama::Template;
use quorate_api::rest::{DoctorView, FindingView};

use super::{Main, parts};

/// The `main` part of the checklist. It stands still: the hosts are examined when it is asked for.
#[derive(Template)]
#[template(path = "pages/doctor.html")]
pub(crate) struct DoctorMain {
    view: DoctorView,
}

impl DoctorMain {
    /// The page of what was found.
    pub(crate) const fn new(view: DoctorView) -> Self {
        Self { view }
    }

    fn tone(&self) -> (&'static str, &'static str) {
        match (self.view.problems, self.view.warnings) {
            (0, 0) => ("good", "check"),
            (0, _) => ("warn", "alert"),
            _ => ("bad", "cross"),
        }
    }

    fn headline(&self) -> String {
        let count = |number: usize, one: &str| match number {
            0 => format!("no {one}s"),
            1 => format!("one {one}"),
            many => format!("{many} {one}s"),
        };
        match (self.view.problems, self.view.warnings) {
            (0, 0) => "The checklist finds nothing wrong".to_owned(),
            (problems, warnings) => {
                let words =
                    format!("{}, {}", count(problems, "problem"), count(warnings, "warning"));
                words[..1].to_uppercase() + &words[1..]
            }
        }
    }

    fn of(&self, severity: &str) -> Vec<&FindingView> {
        self.view.findings.iter().filter(|it| it.severity == severity).collect()
    }
}

impl Main for DoctorMain {
    fn title(&self) -> String {
        match self.view.problems {
            0 => "Checklist".to_owned(),
            problems => format!("({problems}) Checklist"),
        }
    }

    fn source(&self) -> String {
        String::new()
    }

    fn place(&self) -> &'static str {
        "/doctor"
    }
}
