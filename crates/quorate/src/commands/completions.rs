//! `quorate completions`.

use clap::CommandFactory;
use clap_complete::Shell;
use quorate_api::exit;

use super::Session;
use crate::{cli::Cli, ui::Outcome};

/// Print the completions for a shell
///
/// For bash: quorate completions bash > /etc/bash_completion.d/quorate
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

pub(crate) fn run(session: &Session, args: &CompletionsArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "quorate", &mut script);
    session.ui.write(&String::from_utf8_lossy(&script))?;
    Ok(exit::DONE)
}
