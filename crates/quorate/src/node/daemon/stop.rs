//! `quorate stop`: ends this host's node, kindly and no other process.

use std::time::{Duration, Instant};

use quorate_api::exit;
use quorate_model::{Refusal, codes};
use rustix::process::Signal;

use super::{DaemonView, running};
use crate::{
    logging,
    node::{
        FolderArgs, Folders,
        init::no_node_yet,
        os::lock_data_folder,
        report::{Phase, ProcessReport},
    },
    ui::{Outcome, Ui, duration},
};

/// Stop this host's node
///
/// A leader hands its leadership over first; instances go on running. It needs no root key. A
/// node that does not run is not an error. Waits until the process has ended and never kills it.
#[derive(Debug, clap::Args)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    pub(crate) folders: FolderArgs,
    /// How long to wait before exiting with 5; the node goes on stopping
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
}

/// Stops the node and shows what happened.
pub(super) async fn run(args: &StopArgs, folders: &Folders, ui: &Ui) -> Outcome {
    let view = end(folders, ui, args.timeout).await?;
    ui.show(&view, |_| match (view.pid, &view.handed_over_to) {
        (None, _) => "it does not run\n".to_owned(),
        (Some(pid), None) => format!("stopped, process {pid}\n"),
        (Some(pid), Some(heir)) => {
            format!("stopped, process {pid}; it led, and handed its leadership to {heir}\n")
        }
    })?;
    Ok(exit::DONE)
}

/// Ends the node if it runs.
pub(super) async fn end(
    folders: &Folders,
    ui: &Ui,
    patience: Duration,
) -> Result<DaemonView, Refusal> {
    let log = logging::file(&folders.log);
    let Some((pid_file, identity)) = running(folders, ui)? else {
        refuse_without_pid_file(folders)?;
        return Ok(DaemonView {
            state: "not running",
            pid: None,
            waiting_for: Vec::new(),
            handed_over_to: None,
            pid_file: folders.run.clone(),
            log,
        });
    };
    let pid = identity.pid;
    let cannot = |error: std::io::Error| {
        let refusal = match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                Refusal::new(codes::FORBIDDEN, format!("process {pid} may not be stopped by you"))
                    .hint("run this as the user that the node runs as, or as root")
            }
            _ => Refusal::new(codes::INTERNAL, format!("process {pid} cannot be stopped")),
        };
        refusal.cause(error.to_string())
    };
    let begun = Instant::now();
    identity.signal(Signal::TERM).map_err(cannot)?;
    match tokio::time::timeout(patience, identity.ended()).await {
        Ok(ended) => ended.map_err(cannot)?,
        Err(_) => {
            return Err(Refusal::new(
                codes::NODE_DID_NOT_STOP,
                format!(
                    "process {pid} was asked to stop and has not ended within {}",
                    duration::short(patience)
                ),
            )
            .cause(format!("its log says what it does: {}", log.display()))
            .hint("wait and look again with `quorate stop`; it goes on stopping"));
        }
    }
    let report = ProcessReport::load(folders)
        .filter(|report| report.pid == pid && report.phase == Phase::Ended);
    let took = begun.elapsed();
    tracing::debug!(pid, took_ms = took.as_millis(), "the node has ended");
    Ok(DaemonView {
        state: "stopped",
        pid: Some(pid),
        waiting_for: Vec::new(),
        handed_over_to: report
            .and_then(|report| report.handed_over_to)
            .map(|heir| heir.to_string()),
        pid_file,
        log,
    })
}

/// Without a pid file there is no node here, none that runs, or one whose file somebody removed.
fn refuse_without_pid_file(folders: &Folders) -> Result<(), Refusal> {
    if !folders.config_file().exists() {
        return Err(no_node_yet(folders));
    }
    match lock_data_folder(&folders.data) {
        Err(refusal) if refusal.code == codes::DATA_FOLDER_IN_USE => Err(Refusal::new(
            codes::DATA_FOLDER_IN_USE,
            format!("a node runs on {}, but it is not known as which process", folders.data.display()),
        )
        .cause(format!("{} holds no pid file of it", folders.run.display()))
        .hint(format!(
            "its run folder may be another one: --run-dir DIR; or see which process it is: fuser -v {}",
            folders.data.join("lock").display()
        ))),
        _ => Ok(()),
    }
}
