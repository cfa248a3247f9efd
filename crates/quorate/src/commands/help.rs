//! `quorate help`.

use clap::CommandFactory;
use quorate_api::exit;
use quorate_model::Code;

use super::{
    Session,
    explain::{self, ExplainArgs},
};
use crate::{
    cli::Cli,
    ui::{Failure, Outcome},
};

/// Show help: for a command, or for an error code such as Q2104
#[derive(Debug, clap::Args)]
pub(crate) struct HelpArgs {
    /// A command such as `component restart`, or an error code
    pub(crate) topic: Vec<String>,
}

pub(crate) fn run(session: &Session, args: &HelpArgs) -> Outcome {
    if let [only] = args.topic.as_slice()
        && let Ok(code) = only.parse::<Code>()
    {
        return explain::run(session, &ExplainArgs { code });
    }
    let mut command = Cli::command();
    command.build();
    let mut command = &mut command;
    for word in &args.topic {
        command = command.find_subcommand_mut(word).ok_or_else(|| {
            Failure::usage(
                format!("there is no command `{}`", args.topic.join(" ")),
                "quorate --help lists the commands",
            )
        })?;
    }
    let help = command.render_long_help();
    let text = if session.ui.paint.enabled { help.ansi().to_string() } else { help.to_string() };
    session.ui.write(&text)?;
    Ok(exit::DONE)
}
