//! `quorate status`.

use std::{io::IsTerminal, time::Duration};

use quorate_api::{exit, rest::StatusView};
use quorate_client::{Client, ClientError};
use quorate_model::{Clock, codes};

use super::Session;
use crate::{
    node::{FolderArgs, Folders, Invocation, SystemClock, local},
    ui::{Failure, Format, Outcome, views},
};

/// Show the state of the quorum, of the nodes, and what is wrong
///
/// Exits with 0 when everything is healthy, 1 when something is not or nobody is logged in at
/// --server, 4 when no quorum of masters acts or none can be reached, so that a cron line can trust
/// it. Where no quorum answers, and on a host with a node manager only, it shows what this host
/// knows: what is missing, what to do.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// Show it again as it changes, until Ctrl-C: redrawn in a terminal, else a line per change
    #[arg(long)]
    pub(crate) watch: bool,
    /// Exit with 0 whenever there is an answer
    #[arg(long, hide = true)]
    pub(crate) exit_zero: bool,
}

const WATCH_EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn run(session: &Session, args: &StatusArgs) -> Outcome {
    let client = match session.client() {
        Ok(client) => client,
        Err(failure) => return known_here(session, failure.without_quorum()),
    };
    if args.watch {
        return watch(session, &client).await;
    }
    let view = match session.awaited(&client, client.status()).await {
        Ok(view) => view,
        Err(error) if error.is_transient() => return known_here(session, unanswered(error)),
        Err(error) => return Err(unanswered(error)),
    };
    session.ui.show(&view, |paint| views::status(&view, paint))?;
    Ok(if args.exit_zero { exit::DONE } else { exit_code(&view) })
}

/// What the node on this host knows by itself, where no quorum answers; without a node, the
/// failure.
fn known_here(session: &Session, failure: Failure) -> Outcome {
    let global = &session.global;
    if session.servers()?.is_some() || failure.exit != exit::NO_QUORUM {
        return Err(failure);
    }
    let (root, run_dir) = (global.root.as_deref(), global.run_dir.as_deref());
    let folders = Folders::resolve(&FolderArgs::of_environment(), root, run_dir);
    let called = Invocation::of(root, run_dir);
    let Some(mut view) = local::look(&folders, &called) else { return Err(failure) };
    if let Some((reason, taken)) = failure.unanswered() {
        view = view.unanswered(&reason, taken, &folders, &called);
    }
    session.ui.show(&view, |paint| views::local(&view, paint))?;
    // A node manager that has reached a leader is all that can be seen from its host.
    let is_well = view.is_well() && !view.role.is_master();
    Ok(if is_well { exit::DONE } else { exit::NO_QUORUM })
}

fn exit_code(view: &StatusView) -> u8 {
    match (view.quorate, view.healthy) {
        (false, _) => exit::NO_QUORUM,
        (true, false) => exit::FAILED,
        (true, true) => exit::DONE,
    }
}

pub(super) fn unanswered(error: ClientError) -> Failure {
    // What answers there and is no master is nobody as well.
    let nobody = error.is_transient() || error.code() == codes::MASTER_UNREACHABLE;
    let failure = Failure::from(error);
    if nobody { failure.exiting(exit::NO_QUORUM) } else { failure }
}

impl Failure {
    /// Nobody to ask is, for somebody who asks for the quorum, no quorum.
    pub(super) fn without_quorum(self) -> Self {
        if self.body.code == codes::MASTER_UNREACHABLE {
            return self.exiting(exit::NO_QUORUM);
        }
        self
    }
}

async fn watch(session: &Session, client: &Client) -> Outcome {
    // A terminal is redrawn in place; a file gets a line for each change, a program each state.
    let table = session.ui.format == Format::Table;
    let redraw = table && std::io::stdout().is_terminal();
    let mut shown = String::new();
    let mut silent = false;
    let until_interrupted = async {
        loop {
            match client.status().await {
                Ok(view) if redraw => {
                    session.ui.write("\u{1b}[H\u{1b}[2J")?;
                    session.ui.show(&view, |paint| views::status(&view, paint))?;
                    silent = false;
                }
                Ok(view) => {
                    let line = views::status_line(&view);
                    if line != shown || silent {
                        session.ui.show(&view, |_| format!("{} {line}", SystemClock.now()))?;
                    }
                    shown = line;
                    silent = false;
                }
                // Said once: nobody needs the same line every second of a night.
                Err(error) if error.is_transient() && silent && !redraw => {}
                Err(error) if error.is_transient() => {
                    if table && !redraw {
                        let now = SystemClock.now();
                        session.ui.write(&format!("{now} no quorum: no answer: {error}\n"))?;
                    } else {
                        session.ui.note(&format!("{error}"));
                    }
                    silent = true;
                }
                Err(error) => return Err(Failure::from(error)),
            }
            tokio::time::sleep(WATCH_EVERY).await;
        }
    };
    tokio::select! {
        failed = until_interrupted => failed,
        _ = tokio::signal::ctrl_c() => Ok(exit::DONE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::views::samples;

    #[test]
    fn a_cron_line_can_trust_the_exit_code() {
        let mut view = samples::status();
        assert_eq!(exit_code(&view), exit::DONE);
        view.healthy = false;
        assert_eq!(exit_code(&view), exit::FAILED);
        view.quorate = false;
        assert_eq!(exit_code(&view), exit::NO_QUORUM);
        let unreachable = ClientError::Unreachable { what: "x".to_owned(), reason: "y".to_owned() };
        assert_eq!(unanswered(unreachable).exit, exit::NO_QUORUM);
        let foreign = ClientError::Foreign { what: "x".to_owned(), reason: "y".to_owned() };
        assert_eq!(unanswered(foreign).exit, exit::NO_QUORUM);
    }
}
