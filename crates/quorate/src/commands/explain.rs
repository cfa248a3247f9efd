//! `quorate explain`.

use quorate_api::{exit, page};
use quorate_model::Code;

use super::Session;
use crate::ui::{Failure, Outcome, views};

/// Explain an error code: what happened, why, what to do
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The code, such as Q2104
    pub(crate) code: Code,
}

pub(crate) fn run(session: &Session, args: &ExplainArgs) -> Outcome {
    let page = page(args.code).ok_or_else(|| {
        Failure::usage(
            format!("there is no error code {}", args.code),
            "the code stands in the error's brackets: error[Q2104]",
        )
    })?;
    let title = page.text.lines().next().and_then(|line| line.split_once(": ")).map(|it| it.1);
    let value = serde_json::json!({
        "code": page.code.to_string(),
        "title": title.unwrap_or_default(),
        "page": page.text,
    });
    session.ui.show(&value, |paint| views::page(page.text, paint))?;
    Ok(exit::DONE)
}
