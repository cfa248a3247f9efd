//! What a node's process says of itself: to the service manager by `sd_notify`, and to `start`,
//! `stop` and `status` on its host by a small file in the run folder.
//!
//! The file exists because a node manager has no socket to ask, a master without a quorum answers
//! nothing, and a process that has ended answers nobody.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quorate_api::rest::{Precondition, ReadinessView};
use quorate_control::Control;
use quorate_model::{Clock, NodeId, Refusal, Timestamp};
use sd_notify::NotifyState;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::debug;

use super::{Folders, NodeRole, SystemClock};

/// How often it is looked who leads and votes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How far a node's process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// It waits for what is unmet.
    Starting,
    /// It was ready; what is unmet since then is listed.
    Ready,
    /// It was asked to stop.
    Stopping,
    /// It has ended: as asked, or for the failure it names.
    Ended,
}

/// What a node's process last said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessReport {
    /// The process.
    pub(crate) pid: u32,
    /// The node's id.
    pub(crate) node: NodeId,
    /// How far it is.
    pub(crate) phase: Phase,
    /// What is missing now.
    #[serde(default)]
    pub(crate) unmet: Vec<Precondition>,
    /// Who led when it last knew of a leader.
    #[serde(default)]
    pub(crate) leader: Option<NodeId>,
    /// The masters that vote, with their internal addresses, as far as it knows.
    #[serde(default)]
    pub(crate) masters: BTreeMap<NodeId, String>,
    /// Whom it handed its leadership to when it stopped.
    #[serde(default)]
    pub(crate) handed_over_to: Option<NodeId>,
    /// Why it ended, when nobody had asked it to.
    #[serde(default)]
    pub(crate) failure: Option<Refusal>,
    /// When it said so.
    pub(crate) at: Timestamp,
}

impl ProcessReport {
    /// What the node's process last said; nothing when it never ran here or that cannot be read.
    pub(crate) fn load(folders: &Folders) -> Option<Self> {
        let json = std::fs::read(file(&folders.run)).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// What is missing, in a line; empty when nothing is.
    pub(crate) fn missing(&self) -> String {
        let words: Vec<String> =
            self.unmet.iter().map(|it| format!("{}: {}", it.name, it.unmet)).collect();
        words.join("; ")
    }

    /// The line that `systemctl status` shows.
    fn line(&self) -> String {
        match (self.phase, self.missing()) {
            (Phase::Ready, missing) if missing.is_empty() => "ready".to_owned(),
            (Phase::Ready, missing) => format!("not ready any more: {missing}"),
            (Phase::Starting, missing) if missing.is_empty() => "starting".to_owned(),
            (Phase::Starting, missing) => format!("waiting for {missing}"),
            (Phase::Stopping | Phase::Ended, _) => "stopping".to_owned(),
        }
    }
}

fn file(run: &Path) -> PathBuf {
    run.join("node.json")
}

/// Tells the world how far this process is.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    path: PathBuf,
    last: Arc<Mutex<ProcessReport>>,
    well: watch::Sender<bool>,
}

impl Reporter {
    /// Begins to tell of this process.
    pub(crate) fn begin(folders: &Folders, node: NodeId, role: NodeRole) -> Self {
        let unmet = if role.is_master() {
            vec![Precondition {
                name: "leader".to_owned(),
                unmet: "this master has only just started".to_owned(),
            }]
        } else {
            Vec::new()
        };
        let report = ProcessReport {
            pid: std::process::id(),
            node,
            phase: Phase::Starting,
            unmet,
            leader: None,
            masters: BTreeMap::new(),
            handed_over_to: None,
            failure: None,
            at: SystemClock.now(),
        };
        let reporter = Self {
            path: file(&folders.run),
            last: Arc::new(Mutex::new(report.clone())),
            well: watch::Sender::new(false),
        };
        reporter.keep(&report);
        notify(&[NotifyState::Status(&report.line())]);
        reporter
    }

    /// True while the node is ready and misses nothing.
    pub(super) fn well(&self) -> watch::Receiver<bool> {
        self.well.subscribe()
    }

    /// What is missing now, in a line.
    pub(super) fn missing(&self) -> String {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).missing()
    }

    /// Changes what is told, and tells it if that made a difference.
    pub(crate) fn update(&self, change: impl FnOnce(&mut ProcessReport)) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut report = last.clone();
        change(&mut report);
        // Ready once, ready for the service manager; and whoever stops does not begin again.
        report.phase = match (last.phase, report.phase) {
            (Phase::Ended, _) => Phase::Ended,
            (Phase::Stopping, Phase::Ended) => Phase::Ended,
            (Phase::Stopping, _) => Phase::Stopping,
            (Phase::Ready, Phase::Starting) => Phase::Ready,
            (_, new) => new,
        };
        if report == *last {
            return;
        }
        report.at = SystemClock.now();
        self.well.send_replace(report.phase == Phase::Ready && report.unmet.is_empty());
        self.keep(&report);
        let line = report.line();
        let mut states = vec![NotifyState::Status(&line)];
        if report.phase != last.phase {
            match report.phase {
                Phase::Ready => states.push(NotifyState::Ready),
                Phase::Stopping => states.push(NotifyState::Stopping),
                Phase::Starting | Phase::Ended => {}
            }
        }
        notify(&states);
        *last = report;
    }

    /// Follows what is missing.
    fn readiness(&self, view: &ReadinessView) {
        self.update(|report| {
            report.unmet.clone_from(&view.unmet);
            report.phase = if view.ready { Phase::Ready } else { Phase::Starting };
        });
    }

    fn keep(&self, report: &ProcessReport) {
        let kept = serde_json::to_vec(report)
            .map_err(|error| error.to_string())
            .and_then(|json| write(&self.path, &json).map_err(|error| error.to_string()));
        if let Err(error) = kept {
            // Nothing depends on it but the comfort of people on this host.
            debug!(%error, "the report in the run folder cannot be kept");
        }
    }
}

/// Replaces the file at once, so that nobody reads half of it. It need not survive the host, so
/// it does not wait for a disk.
fn write(path: &Path, json: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("json.new");
    std::fs::write(&new, json)?;
    std::fs::rename(&new, path)
}

/// Tells the service manager, if there is one that wants to know.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "the service manager cannot be told");
    }
}

/// Tells how ready a master is, who leads and who votes, for as long as it runs.
pub(super) async fn follow_master(control: Control, reporter: Reporter) {
    let mut readiness = control.readiness().changes();
    loop {
        let view = readiness.borrow_and_update().clone();
        reporter.readiness(&view);
        let raft = control.raft().status();
        reporter.update(|report| {
            report.leader = raft.leader.or(report.leader);
            report.masters = raft.voters;
        });
        // The sender lives in `control`, so only the time can run out.
        let _ = tokio::time::timeout(LOOK_EVERY, readiness.changed()).await;
    }
}

/// Tells whether a node manager has a session with a leader. It is ready without one: it keeps
/// its instances as they were last ordered.
pub(super) async fn follow_manager(
    mut leader: watch::Receiver<Option<NodeId>>,
    reporter: Reporter,
) {
    loop {
        let now = *leader.borrow_and_update();
        reporter.update(|report| {
            report.phase = Phase::Ready;
            report.leader = now.or(report.leader);
            report.unmet = match now {
                Some(_) => Vec::new(),
                None => vec![Precondition {
                    name: "session".to_owned(),
                    unmet: "no master that leads has been reached; instances are kept as they \
                            were last ordered"
                        .to_owned(),
                }],
            };
        });
        if leader.changed().await.is_err() {
            return;
        }
    }
}

/// Shows the service manager that this process goes on, as often as it asks for that.
pub(super) async fn keep_watchdog_quiet() {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    loop {
        notify(&[NotifyState::Watchdog]);
        tokio::time::sleep(patience / 3).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_ready_is_told_so_once_and_whoever_stops_does_not_begin_again() {
        let folder = tempfile::tempdir().unwrap();
        let folders =
            Folders::resolve(&crate::node::FolderArgs::default(), Some(folder.path()), None);
        std::fs::create_dir_all(&folders.run).unwrap();
        let reporter = Reporter::begin(&folders, NodeId(1), NodeRole::Master);
        let said = || ProcessReport::load(&folders).unwrap();
        assert_eq!(said().phase, Phase::Starting);
        assert!(said().missing().contains("leader"));
        let unmet = vec![Precondition { name: "quorum".to_owned(), unmet: "gone".to_owned() }];
        let missing = ReadinessView { ready: false, unmet };
        reporter.readiness(&ReadinessView { ready: true, unmet: Vec::new() });
        assert_eq!((said().phase, said().line()), (Phase::Ready, "ready".to_owned()));
        reporter.readiness(&missing);
        assert_eq!(said().phase, Phase::Ready);
        assert_eq!(said().line(), "not ready any more: quorum: gone");
        reporter.update(|report| report.phase = Phase::Stopping);
        reporter.readiness(&missing);
        assert_eq!(said().phase, Phase::Stopping);
        reporter.update(|report| report.phase = Phase::Ended);
        assert_eq!(said().phase, Phase::Ended);
    }
}
