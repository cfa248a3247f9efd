//! `quorate start`, `stop` and `restart`: a node as a daemon, without any service manager.

mod asked;
mod spawned;
mod start;
mod stop;

use std::path::PathBuf;

use quorate_model::{Refusal, codes};
use serde::Serialize;

#[cfg(test)]
pub(super) use asked::keep as keep_asked;
pub(super) use asked::{forget as forget_asked, was_asked};
pub(crate) use start::StartArgs;
pub(crate) use stop::StopArgs;

use super::{
    Folders,
    os::refuse_file,
    pid_file::{self, Holder},
};
use crate::ui::{Outcome, Ui};

/// Stop this host's node and start it again in the background
///
/// Nothing is stopped when it could not be started again: a master needs the root key in
/// QUORATE_ROOT_KEY. Instances go on running. To restart every master of a cluster:
/// `quorate node restart --masters`, which does it one by one, the leader last.
#[derive(Debug, clap::Args)]
pub(crate) struct RestartArgs {
    #[command(flatten)]
    pub(crate) start: StartArgs,
}

/// What `start` and `stop` show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct DaemonView {
    /// `ready`, `waiting`, `already running`, `stopped` or `not running`.
    state: &'static str,
    /// The process, also when it has just ended.
    pid: Option<u32>,
    /// What it waits for.
    waiting_for: Vec<String>,
    /// Whom it handed its leadership to before it ended.
    handed_over_to: Option<String>,
    /// Its pid file.
    pid_file: PathBuf,
    /// Its log.
    log: PathBuf,
}

/// Runs `quorate start`.
pub(crate) async fn start(args: &StartArgs, folders: &Folders, ui: &Ui) -> Outcome {
    start::run(args, folders, ui).await
}

/// Runs `quorate stop`.
pub(crate) async fn stop(args: &StopArgs, folders: &Folders, ui: &Ui) -> Outcome {
    stop::run(args, folders, ui).await
}

/// Runs `quorate restart`.
pub(crate) async fn restart(args: &RestartArgs, folders: &Folders, ui: &Ui) -> Outcome {
    start::refuse_what_cannot_start(&args.start, folders)?;
    stop::end(folders, ui, args.start.timeout).await?;
    start::run(&args.start, folders, ui).await
}

/// The node that runs in these folders, if one does. What processes left that are gone is told.
fn running(
    folders: &Folders,
    ui: &Ui,
) -> Result<Option<(PathBuf, quorate_supervisor::ProcessIdentity)>, Refusal> {
    let mut found = None;
    for path in pid_file::all(&folders.run) {
        match pid_file::look(&path)? {
            Holder::Nobody => {}
            Holder::Running(identity) => found = Some((path, identity)),
            Holder::Gone { pid, reused } => {
                let now = if reused { "; that pid is another process's now" } else { "" };
                ui.note(&format!(
                    "{} was left behind by process {pid}, which is gone{now}",
                    path.display()
                ));
                std::fs::remove_file(&path)
                    .map_err(|error| refuse_file("remove", &path, &error))?;
            }
            Holder::Doubtful(why) => {
                return Err(Refusal::new(
                    codes::PID_FILE_DOUBTFUL,
                    format!("{} does not name a process of Quorate for certain", path.display()),
                )
                .cause(why)
                .hint("look at that process; if it is no node of Quorate, remove the file"));
            }
        }
    }
    Ok(found)
}
