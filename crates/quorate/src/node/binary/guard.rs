//! Watches a daemon that tries another binary, and starts the node again when that crashes or hangs.
//!
//! Under systemd, or in a container, somebody starts a crashed node again, and that start goes back
//! to the binary of before. A node that was started with `quorate start` has nobody. So the program
//! it runs stands beside it until the attempt is settled (docs/adr/0010).

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    str::FromStr,
    time::{Duration, Instant},
};

use quorate_model::{Refusal, codes};
use quorate_supervisor::ProcessIdentity;
use rustix::process::Signal;
use tracing::warn;

use super::{
    record::{Attempt, Record},
    store::Binaries,
};
use crate::node::{
    Folders,
    daemon::was_asked,
    os::lock_data_folder,
    pid_file::{self, Holder},
    reexec::Image,
    report::{Phase, ProcessReport},
};

/// How often it is looked whether the attempt is settled.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A new binary that is not ready in time writes so down. One that has not done that so long after
/// hangs, and is ended.
const GOES_BACK_WITHIN: Duration = Duration::from_secs(15);
/// Then it stops what it does and becomes the one before, in no more than a service manager gives it.
const STOPS_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked whether somebody else runs the node.
const LOOKS: u32 = 5;

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

/// Waits until a process's attempt is settled or it has ended, and ends it when it hangs. True when
/// the node is to be started again.
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
        let mut record = Record::load(folders);
        // What cannot be read now perhaps can in a while.
        while record.is_err() && node.is_alive().map_err(failed)? {
            tokio::time::sleep(LOOK_EVERY).await;
            record = Record::load(folders);
        }
        let Some(attempt) = record?.and_then(|it| it.attempt) else { return Ok(false) };
        let watched = Watched { folders, node, attempt };
        let ended = node.ended();
        tokio::pin!(ended);
        let (mut stage, mut since) = (Stage::Trying, Instant::now());
        loop {
            tokio::select! {
                ended = &mut ended => {
                    ended.map_err(failed)?;
                    return Ok(watched.died(stage) && !watched.runs_otherwise().await);
                }
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let now = watched.stage();
            if now != stage {
                (stage, since) = (now, Instant::now());
            }
            let within = match stage {
                Stage::Trying => {
                    Duration::from_millis(watched.attempt.ready_within_ms) + GOES_BACK_WITHIN
                }
                Stage::GoingBack => STOPS_WITHIN,
                Stage::Settled => return Ok(false),
            };
            if since.elapsed() > within && !watched.was_stopped() {
                warn!(pid = node.pid, "the new binary hangs, and is ended");
                node.signal(Signal::KILL).map_err(failed)?;
            }
        }
    })
}

/// How far an attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is neither confirmed nor given up.
    Trying,
    /// It was given up, and the process is still the new binary.
    GoingBack,
    /// It was confirmed, or the process is another binary again.
    Settled,
}

/// The attempt that a guard was posted for, and the process that makes it.
struct Watched<'a> {
    folders: &'a Folders,
    node: ProcessIdentity,
    attempt: Attempt,
}

impl Watched<'_> {
    fn stage(&self) -> Stage {
        // What cannot be read settles nothing.
        let Ok(record) = Record::load(self.folders) else { return Stage::Trying };
        let Some(record) = record else { return Stage::Settled };
        let is_this = |it: &Attempt| it.generation == self.attempt.generation;
        match (&record.attempt, &record.current) {
            (Some(attempt), _) if is_this(attempt) => Stage::Trying,
            // A later attempt has a guard of its own.
            (Some(_), _) => Stage::Settled,
            (None, Some(current)) if *current == self.attempt.binary => Stage::Settled,
            (None, _) if self.is_new_binary() => Stage::GoingBack,
            (None, _) => Stage::Settled,
        }
    }

    fn is_new_binary(&self) -> bool {
        let new = Binaries::of(self.folders).file(&self.attempt.binary.sha256);
        let runs = std::fs::read_link(format!("/proc/{}/exe", self.node.pid));
        // The kernel names the file as it is, through every link to it.
        runs.is_ok_and(|runs| std::fs::canonicalize(new).is_ok_and(|new| new == runs))
    }

    /// Whether a process that has ended, last seen in that stage, has crashed or was ended here.
    fn died(&self, last: Stage) -> bool {
        // Given up a moment before its end: it was going back and did not come that far.
        let was_going_back = last == Stage::GoingBack
            || Record::load(self.folders).is_ok_and(|record| {
                record.is_some_and(|it| {
                    it.attempt.is_none() && it.current.as_ref() != Some(&self.attempt.binary)
                })
            });
        (self.stage() == Stage::Trying || was_going_back) && !self.was_stopped()
    }

    /// Whether the process ended, or is about to, because a person, or it itself, wanted it to.
    fn was_stopped(&self) -> bool {
        let says_so = |report: ProcessReport| {
            report.pid == self.node.pid && matches!(report.phase, Phase::Stopping | Phase::Ended)
        };
        was_asked(&self.folders.run, self.node)
            || ProcessReport::load(self.folders).is_some_and(says_so)
    }

    /// Whether the node runs as another process, which somebody else has started and looks after.
    async fn runs_otherwise(&self) -> bool {
        let by_another = |path: &PathBuf| {
            let holder = pid_file::look(path);
            matches!(holder, Ok(Holder::Running(holder)) if holder != self.node)
        };
        // Whoever looks whether the folder is locked locks it for a moment, and a start has no pid
        // file for some.
        for _ in 0..LOOKS {
            if pid_file::all(&self.folders.run).iter().any(by_another) {
                return true;
            }
            match lock_data_folder(&self.folders.data) {
                Err(refusal) if refusal.code == codes::DATA_FOLDER_IN_USE => {}
                _ => return false,
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use quorate_model::{Binary, BinaryFacts, FeatureLevels, Generation};

    use super::*;
    use crate::node::{FolderArgs, binary::begin_attempt, daemon::keep_asked};

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
        std::thread::scope(|scope| {
            let guard = scope.spawn(|| stand_by(folders, Guarded(identity)).unwrap());
            before(identity);
            node.kill().unwrap();
            node.wait().unwrap();
            guard.join().unwrap()
        })
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
    fn what_momentarily_holds_the_folder_does_not_look_after_the_node() {
        let folder = tempfile::tempdir().unwrap();
        let folders = attempting(folder.path());
        let lock = lock_data_folder(&folders.data).unwrap();
        let watched = Watched {
            folders: &folders,
            node: ProcessIdentity { pid: 4_194_305, start_ticks: 1 },
            attempt: Record::load(&folders).unwrap().unwrap().attempt.unwrap(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let looks = watched.runs_otherwise();
            tokio::pin!(looks);
            assert!(tokio::time::timeout(LOOK_EVERY / 10, &mut looks).await.is_err());
            drop(lock);
            assert!(!looks.await);
        });
    }

    #[test]
    fn an_attempt_that_was_given_up_is_watched_until_the_process_is_another_binary() {
        let folder = tempfile::tempdir().unwrap();
        let folders = attempting(folder.path());
        let attempt = Record::load(&folders).unwrap().unwrap().attempt.unwrap();
        let new = Binaries::of(&folders).file(&attempt.binary.sha256);
        std::fs::create_dir_all(new.parent().unwrap()).unwrap();
        std::fs::copy("/bin/sleep", &new).unwrap();
        let mut node = Command::new(&new).arg("60").spawn().unwrap();
        let identity = ProcessIdentity::of(node.id()).unwrap().unwrap();
        let watched = Watched { folders: &folders, node: identity, attempt };
        assert_eq!(watched.stage(), Stage::Trying);
        let change = |change: &dyn Fn(&mut Record)| {
            let mut record = Record::load(&folders).unwrap().unwrap();
            change(&mut record);
            record.store(&folders).unwrap();
        };
        change(&|record| record.attempt = None);
        assert_eq!(watched.stage(), Stage::GoingBack);
        assert!(watched.died(Stage::Trying), "it did not come that far");
        change(&|record| record.current = Some(watched.attempt.binary.clone()));
        assert_eq!(watched.stage(), Stage::Settled);
        assert!(!watched.died(Stage::Trying), "it was confirmed");
        change(&|record| record.current = None);
        node.kill().unwrap();
        node.wait().unwrap();
        let mut before = Command::new("sleep").arg("60").spawn().unwrap();
        let node = ProcessIdentity::of(before.id()).unwrap().unwrap();
        assert_eq!(Watched { node, ..watched }.stage(), Stage::Settled);
        before.kill().unwrap();
        before.wait().unwrap();
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
