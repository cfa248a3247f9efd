//! The page of a request that was refused or failed.

use askama::Template;
use quorate_model::Refusal;

use super::{Main, parts};

/// The `main` part of the page.
#[derive(Template)]
#[template(path = "pages/problem.html")]
pub(crate) struct ProblemMain {
    /// What it is about, as a headline.
    pub(crate) headline: &'static str,
    /// Every reason.
    pub(crate) refusals: Vec<Refusal>,
}

impl Main for ProblemMain {
    fn title(&self) -> String {
        self.headline.to_owned()
    }

    fn source(&self) -> String {
        String::new()
    }

    fn place(&self) -> &'static str {
        ""
    }
}
