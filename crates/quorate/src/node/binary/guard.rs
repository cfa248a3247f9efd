//! Watches a daemon that tries another binary, and starts the node again when that crashes or hangs.
//!
//! Under systemd, or in a container, somebody starts a crashed node again, and that start goes back
//! to the binary of before. A node that was started with `quorate start` has nobody. So the program
//! it runs stands beside it until the attempt is settled (docs/adr/0010).

use std::{
    process::{Command, Stdio},
    str::FromStr,
    time::{Duration, Instant},
};

use quorate_model::{Refusal, codes};
use quorate_supervisor::ProcessIdentity;
use rustix::process::Signal;
use tracing::warn;

use super::record::Record;
use crate::node::{
    Folders,
    daemon::was_asked,
    os::lock_data_folder,
    reexec::Image,
    report::{Phase, ProcessReport},
};

/// How often it is looked whether the attempt is settled.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A new binary that is not ready in time goes back by itself. One that has not even done that so
/// long after hangs, and is ended.
const HANGS_AFTER: Duration = Duration::from_secs(15);

/// The process of a node, as a guard's command line names it: `PID.START`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) struct Guarded(ProcessIdentity);

impl FromStr for Guarded {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (pid, start) = text.split_once('.')?;
            Some(ProcessIdentity { pid: pid.parse().ok()?, start_ticks: start.parse().ok()? })
        };
        parse().map(Self).ok_or_else(|| "not PID.START".to_owned())
    }
}

/// Starts a guard when this very process is about to try another binary. Without one the attempt
/// goes on all the same: then a crash needs somebody who starts the node again.
pub(in crate::node) fn post(folders: &Folders, image: &Image) {
    let is_due = |record: Record| record.attempt.is_some_and(|it| it.begun_by.is_none());
    if !Record::load(folders).is_ok_and(|record| record.is_some_and(is_due)) {
        return;
    }
    let me = std::process::id();
    let Ok(Some(ProcessIdentity { pid, start_ticks })) = ProcessIdentity::of(me) else { return };
    let mut guard = Command::new(image.program());
    guard.args(image.arguments()).arg(format!("--guard={pid}.{start_ticks}"));
    guard.stdin(Stdio::null()).stdout(Stdio::null()).current_dir("/");
    // The program that comes next buries it.
    if let Err(error) = guard.spawn() {
        warn!(%error, "nobody will start this node again if the new binary crashes");
    }
}

/// Waits until the attempt of a process is settled or the process has ended, and ends it when it
/// hangs. True when the node is to be started again.
pub(in crate::node) fn stand_by(
    folders: &Folders,
    Guarded(node): Guarded,
) -> Result<bool, Refusal> {
    let failed = |error: std::io::Error| {
        Refusal::new(codes::INTERNAL, "the node's process cannot be watched")
            .cause(error.to_string())
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let begun = Instant::now();
        let ended = node.ended();
        tokio::pin!(ended);
        loop {
            tokio::select! {
                ended = &mut ended => return ended.map_err(failed),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if !is_open(folders) {
                return Ok(());
            }
            if hangs(folders, begun.elapsed()) && !was_stopped(folders, node) {
                warn!(pid = node.pid, "the new binary neither became ready nor went back: it is ended");
                node.signal(Signal::KILL).map_err(failed)?;
            }
        }
    })?;
    Ok(is_open(folders) && !was_stopped(folders, node) && !runs(folders))
}

/// Whether an attempt should have been settled long ago by the process itself.
fn hangs(folders: &Folders, waited: Duration) -> bool {
    let attempt = Record::load(folders).ok().flatten().and_then(|record| record.attempt);
    attempt.is_some_and(|it| waited > Duration::from_millis(it.ready_within_ms) + HANGS_AFTER)
}

/// Whether the node runs as another process, which somebody else has started and looks after.
fn runs(folders: &Folders) -> bool {
    let locked = lock_data_folder(&folders.data);
    locked.is_err_and(|refusal| refusal.code == codes::DATA_FOLDER_IN_USE)
}

/// Whether the attempt is neither confirmed nor given up; a record that cannot be read says neither.
fn is_open(folders: &Folders) -> bool {
    Record::load(folders).map_or(true, |record| record.is_some_and(|it| it.attempt.is_some()))
}

/// Whether the process ended because a person, or it itself, wanted it to.
fn was_stopped(folders: &Folders, node: ProcessIdentity) -> bool {
    let says_so = |report: ProcessReport| {
        report.pid == node.pid && matches!(report.phase, Phase::Stopping | Phase::Ended)
    };
    was_asked(&folders.run, node) || ProcessReport::load(folders).is_some_and(says_so)
}

#[cfg(test)]
mod tests {
    use quorate_model::{Binary, BinaryFacts, FeatureLevels, Generation};

    use super::*;
    use crate::node::{
        FolderArgs,
        binary::begin_attempt,
        daemon::keep_asked,
    };

    /// A node in a folder of its own, in an attempt that nobody has settled.
    fn attempting(folder: &std::path::Path) -> Folders {
        let folders = Folders::resolve(&FolderArgs::default(), Some(folder), None);
        folders.create().unwrap();
        let binary = Binary {
            sha256: "a".repeat(64).try_into().unwrap(),
            size: 1,
            facts: BinaryFacts {
                version: "1.0.0".to_owned(),
                architecture: "any".to_owned(),
                feature_levels: FeatureLevels { from: 1, to: 1 },
            },
        };
        begin_attempt(&folders, "/quorate".as_ref(), Generation(1), &binary, 1).unwrap();
        folders
    }

    /// What a guard says of a process that is killed once `before` has happened.
    fn told_when_killed(folders: &Folders, before: impl FnOnce(ProcessIdentity)) -> bool {
        let mut node = Command::new("sleep").arg("60").spawn().unwrap();
        let identity = ProcessIdentity::of(node.id()).unwrap().unwrap();
        before(identity);
        node.kill().unwrap();
        node.wait().unwrap();
        stand_by(folders, Guarded(identity)).unwrap()
    }

    #[test]
    fn a_node_is_started_again_unless_somebody_stopped_it_or_runs_it_already() {
        let folder = tempfile::tempdir().unwrap();
        let folders = attempting(folder.path());
        assert!(told_when_killed(&folders, |_| ()), "it crashed");
        assert!(!told_when_killed(&folders, |node| keep_asked(&folders.run, node).unwrap()));
        assert!(told_when_killed(&folders, |_| ()), "another process was asked to stop");
        let lock = lock_data_folder(&folders.data).unwrap();
        assert!(!told_when_killed(&folders, |_| ()), "somebody else started the node");
        drop(lock);
        let mut settled = Record::load(&folders).unwrap().unwrap();
        settled.attempt = None;
        settled.store(&folders).unwrap();
        assert!(!told_when_killed(&folders, |_| ()), "the attempt is over");
    }

    #[test]
    fn a_process_is_named_by_its_pid_and_its_start() {
        let guarded = Guarded(ProcessIdentity { pid: 71, start_ticks: 905 });
        assert_eq!("71.905".parse(), Ok(guarded));
        for text in ["", "71", "71.", ".905", "71.x", "-1.905"] {
            assert!(text.parse::<Guarded>().is_err(), "{text}");
        }
    }
}
