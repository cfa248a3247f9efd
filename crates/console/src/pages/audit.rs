//! The audit trail: who changed what.

use askama::Template;
use quorate_api::rest::AuditView;

use super::{Main, parts};
use crate::words;

/// The `main` part of the audit page.
#[derive(Template)]
#[template(path = "pages/audit.html")]
pub(crate) struct AuditMain {
    /// The newest lines, newest first.
    pub(crate) lines: Vec<AuditView>,
    /// How many were asked for.
    pub(crate) at_most: usize,
    /// Whether the single steps of operations are shown too.
    pub(crate) steps: bool,
}

impl Main for AuditMain {
    fn title(&self) -> String {
        "Audit".to_owned()
    }

    fn source(&self) -> String {
        if self.steps { "/audit?steps=true".to_owned() } else { "/audit".to_owned() }
    }

    fn place(&self) -> &'static str {
        "/audit"
    }
}
