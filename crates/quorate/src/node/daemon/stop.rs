//! `quorate stop`: ends this host's node, kindly and no other process.

use std::{
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, Instant},
};

use quorate_api::exit;
use quorate_model::{Refusal, codes};
use quorate_supervisor::ProcessIdentity;
use rustix::process::Signal;

use super::{DaemonView, asked, running};
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

/// How often it is looked whether another program has taken the process.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
    match tokio::time::timeout(patience, ask_until_ended(&folders.run, &pid_file, identity)).await {
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
            format!(
                "a node runs on {}, but it is not known as which process",
                folders.data.display()
            ),
        )
        .cause(format!("{} holds no pid file of it", folders.run.display()))
        .hint(
            "its run folder may be another one: --run-dir DIR; or see which process it is, and \
             end it with `kill PID`: ps -eo pid,user,args | grep '[q]uorate'",
        )),
        _ => Ok(()),
    }
}

/// Asks the process to stop, once for each program that it becomes, and waits until it has ended.
///
/// A process that begins anew in place goes on under the same pid, and a signal that reaches it just
/// before that is lost with the program that was. So it is asked again when the pid file has been
/// written anew, which each program does before it listens for signals: from then on a signal ends
/// it, in one way or the other. To ask the same program twice would help nothing.
async fn ask_until_ended(
    run: &Path,
    pid_file: &Path,
    identity: ProcessIdentity,
) -> std::io::Result<()> {
    let ended = identity.ended();
    tokio::pin!(ended);
    loop {
        // Looked at first: what is written anew after this is asked once more.
        let written = mark(pid_file);
        if let Err(error) = asked::keep(run, identity) {
            // Needed only if the signal comes while the process becomes another program.
            tracing::debug!(%error, "that it was asked to stop cannot be kept");
        }
        identity.signal(Signal::TERM)?;
        loop {
            tokio::select! {
                result = &mut ended => return result,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let now = mark(pid_file);
            // A file that is gone belonged to a process that is about to be.
            if now.is_some() && now != written {
                break;
            }
        }
    }
}

/// Tells one writing of a file from another: each is a new file under the old name.
fn mark(path: &Path) -> Option<(u64, i64, i64)> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.mtime(), file.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    /// A shell with this script, which finds its pid file as `$1`, and says in `$1.ready` that it
    /// listens.
    fn shell(folder: &Path, script: &str) -> (Child, std::path::PathBuf, ProcessIdentity) {
        let pid_file = folder.join("master.pid");
        std::fs::write(&pid_file, "1\n").unwrap();
        let mut command = Command::new("sh");
        let child = command.args(["-c", script, "sh"]).arg(&pid_file).spawn().unwrap();
        let identity = ProcessIdentity::of(child.id()).unwrap().unwrap();
        let ready = folder.join("master.pid.ready");
        let deadline = Instant::now() + Duration::from_secs(60);
        while !ready.exists() {
            assert!(Instant::now() < deadline, "the shell did not begin");
            std::thread::yield_now();
        }
        (child, pid_file, identity)
    }

    #[tokio::test]
    async fn a_signal_that_was_lost_in_a_restart_in_place_is_sent_again() {
        let folder = tempfile::tempdir().unwrap();
        // The first signal is swallowed; then another program takes the process and its pid file.
        let script = "trap 'cp \"$1\" \"$1.new\"; mv \"$1.new\" \"$1\"; trap - TERM' TERM
            : > \"$1.ready\"
            while :; do sleep 0.02; done";
        let (mut child, pid_file, identity) = shell(folder.path(), script);
        let ended = ask_until_ended(folder.path(), &pid_file, identity);
        tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap().unwrap();
        assert_eq!(child.wait().unwrap().code(), None, "the signal ended it");
    }

    #[tokio::test]
    async fn one_program_is_asked_once() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'echo asked >> \"$1.asked\"' TERM
            : > \"$1.ready\"
            while :; do sleep 0.02; done";
        let (mut child, pid_file, identity) = shell(folder.path(), script);
        let ended = ask_until_ended(folder.path(), &pid_file, identity);
        assert!(tokio::time::timeout(LOOK_EVERY * 20, ended).await.is_err(), "it never ends");
        child.kill().unwrap();
        child.wait().unwrap();
        let asked = std::fs::read_to_string(folder.path().join("master.pid.asked")).unwrap();
        assert_eq!(asked, "asked\n");
    }
}
