//! What can be told of the node on this host without asking any master: `status` shows it where
//! no quorum answers, or where there is only a node manager.

use std::collections::BTreeMap;

use quorate_keyring::identity::NodeIdentity;
use quorate_model::{Refusal, codes};
use quorate_node_manager::KnownMasters;
use quorate_plan::lost_quorum;
use serde::Serialize;

use super::{
    Folders, Invocation, NodeConfig, NodeRole,
    pid_file::{self, Holder},
    recovery, removal,
    report::{Phase, ProcessReport},
};
use crate::logging;

/// What this host knows of its node and of the masters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LocalView {
    /// Always `local`: this is no status of the cluster.
    pub(crate) scope: &'static str,
    /// The node's name.
    pub(crate) name: String,
    /// Its id.
    pub(crate) node: String,
    /// Its cluster.
    pub(crate) cluster_id: String,
    /// `master`, `node-manager` or `both`.
    pub(crate) role: NodeRole,
    /// The process, while it runs.
    pub(crate) pid: Option<u32>,
    /// Whether it is ready, by its own word.
    pub(crate) ready: bool,
    /// Whether the process lives and did not answer when it was asked on its local socket.
    pub(crate) silent: bool,
    /// Who led when this node last knew of a leader.
    pub(crate) last_known_leader: Option<String>,
    /// The masters this node knows, with their internal addresses.
    pub(crate) masters: BTreeMap<String, String>,
    /// What is missing.
    pub(crate) missing: Vec<String>,
    /// Why its last process ended, when nobody had asked it to.
    pub(crate) ended_by: Option<Refusal>,
    /// What to do.
    pub(crate) to_do: Vec<String>,
}

impl LocalView {
    /// Whether there is nothing this host misses.
    pub(crate) fn is_well(&self) -> bool {
        self.pid.is_some() && self.ready && self.missing.is_empty()
    }

    /// The same where the local socket was asked, and nobody answered for this reason: a master
    /// that lives all the same hangs. One that only starts has no socket yet, unless it took the
    /// question (`taken`) and never answered.
    pub(crate) fn unanswered(
        mut self,
        reason: &str,
        taken: bool,
        folders: &Folders,
        called: &Invocation,
    ) -> Self {
        let Some(pid) = self.pid else { return self };
        if !self.role.is_master() || !(taken || self.ready) {
            return self;
        }
        self.silent = true;
        let socket = folders.admin_socket();
        self.missing.insert(
            0,
            format!(
                "answer: process {pid} lives, but does not answer on {}: {reason}",
                socket.display()
            ),
        );
        // What it last said of itself is older than its silence.
        self.to_do = silent_steps(pid, self.masters.len(), folders, called);
        self
    }

    /// The masters other than this host's, with their internal addresses.
    pub(crate) fn other_masters(&self) -> Vec<String> {
        let others = self.masters.iter().filter(|(node, _)| **node != self.node);
        others.map(|(node, addr)| format!("{node} at {addr}")).collect()
    }
}

/// Whether the node in these folders was removed from its cluster, and knows it.
pub(crate) fn was_removed(folders: &Folders) -> bool {
    removal::refuse_removed(folders).is_err()
}

/// Looks at this host's node, which `quorate` is called for like this; nothing when there is none
/// in these folders.
pub(crate) fn look(folders: &Folders, called: &Invocation) -> Option<LocalView> {
    let config = NodeConfig::load(&folders.config_file()).ok()?;
    let identity = NodeIdentity::load(&folders.identity()).ok()?;
    let role = config.node.role;
    let pid = pid_file::all(&folders.run).iter().find_map(|path| match pid_file::look(path) {
        Ok(Holder::Running(identity)) => Some(identity.pid),
        _ => None,
    });
    let report = ProcessReport::load(folders);
    let told = report.as_ref();
    let known = known_masters(folders, told);
    let living = told.filter(|report| Some(report.pid) == pid);
    let ended_by = match pid {
        Some(_) => None,
        // What would refuse the next start outlives the report, which a reboot removes.
        None => removal::refuse_removed(folders)
            .and_then(|()| recovery::may_run(folders))
            .err()
            .or_else(|| told.and_then(|report| report.failure.clone())),
    };
    let mut missing: Vec<String> = living
        .map(|report| report.unmet.iter().map(|it| format!("{}: {}", it.name, it.unmet)).collect())
        .unwrap_or_default();
    if pid.is_none() {
        missing.insert(0, "process: this host's node does not run".to_owned());
    }
    let mut view = LocalView {
        scope: "local",
        name: config.node.name.to_string(),
        node: identity.node.to_string(),
        cluster_id: identity.cluster.to_string(),
        role,
        pid,
        ready: living.is_some_and(|report| report.phase == Phase::Ready),
        silent: false,
        last_known_leader: known.leader.map(|node| node.to_string()),
        masters: known.masters.into_iter().map(|(node, addr)| (node.to_string(), addr)).collect(),
        missing,
        ended_by,
        to_do: Vec::new(),
    };
    view.to_do = to_do(&view, called);
    Some(view)
}

/// The masters that this host knows: those that vote by the word of its own process, which the run
/// folder keeps until the next reboot, or else those that its node manager keeps.
pub(crate) fn masters(folders: &Folders) -> KnownMasters {
    known_masters(folders, ProcessReport::load(folders).as_ref())
}

fn known_masters(folders: &Folders, told: Option<&ProcessReport>) -> KnownMasters {
    let mut known = KnownMasters::load(&folders.node_manager()).unwrap_or_default();
    if let Some(report) = told {
        if !report.masters.is_empty() {
            known.masters.clone_from(&report.masters);
        }
        known.leader = report.leader.or(known.leader);
    }
    known
}

/// What to do about a master that lives and does not answer, in order.
fn silent_steps(pid: u32, voters: usize, folders: &Folders, called: &Invocation) -> Vec<String> {
    let log = logging::file(&folders.log);
    let mut steps = vec![
        format!(
            "look at the end of its log (tail {}) and at its disk (df {}; ps -o stat,wchan -p \
             {pid}: D waits for the disk, T was stopped by somebody: kill -CONT {pid})",
            log.display(),
            folders.data.display()
        ),
        called.fit("end it: quorate stop"),
        called.fit(&format!(
            "if that does not end it (Q1041): kill -9 {pid}, never a process named shim; what was \
             acknowledged is kept; then quorate start, with QUORATE_ROOT_KEY set"
        )),
    ];
    if voters != 1 {
        steps.push(
            "the other masters go on without it while they are a majority: quorate status \
             --server http://HOST:8080"
                .to_owned(),
        );
    }
    steps
}

/// What a person does next, in order.
fn to_do(view: &LocalView, called: &Invocation) -> Vec<String> {
    let is_master = view.role.is_master();
    let others = view.other_masters();
    let mut steps = Vec::new();
    if view.pid.is_none() {
        steps = to_start(view, called);
    }
    let waits_for_quorum = match view.pid {
        Some(_) => view.missing.iter().any(|it| is_quorum(it)),
        None => view.ended_by.as_ref().is_some_and(|it| it.code == codes::READINESS_TIMEOUT),
    };
    if is_master && waits_for_quorum && !others.is_empty() {
        let mut next = lost_quorum::next_steps(view.masters.len(), &others).into_iter();
        // The others are started on their hosts, below roots of their own.
        steps.extend(next.next());
        steps.extend(next.map(|step| called.fit(&step)));
    } else if !is_master && view.pid.is_some() && !view.missing.is_empty() {
        steps.push(format!(
            "see that the masters run and can be reached from here ({})",
            if others.is_empty() { "none is known".to_owned() } else { others.join(", ") }
        ));
    } else if is_master && view.pid.is_some() && !view.missing.is_empty() {
        steps.push("wait for what is missing; if it lasts, the node's log says more".to_owned());
    }
    if !is_master {
        steps.push(
            "the state of the cluster: quorate status --server http://MASTER:8080".to_owned(),
        );
    }
    steps
}

/// Whether what is missing is a quorum.
fn is_quorum(missing: &str) -> bool {
    ["leader", "quorum", "voters"].iter().any(|name| missing.starts_with(&format!("{name}: ")))
}

/// How a node that does not run is started, and what must be done before.
fn to_start(view: &LocalView, called: &Invocation) -> Vec<String> {
    let key = if view.role.is_master() { ", with QUORATE_ROOT_KEY set" } else { "" };
    let start = |when: &str| called.fit(&format!("{when}: quorate start{key}"));
    let Some(failure) = &view.ended_by else { return vec![start("start it")] };
    let hint = failure.hint.as_deref().map(|hint| called.fit(hint));
    match failure.code {
        // Such a node is never started again as what it was.
        codes::NODE_REMOVED | codes::NODE_WRITTEN_OFF | codes::EPOCH_ENDED => {
            hint.into_iter().collect()
        }
        // Its own hint says to start the others first; but each of them waits for the others.
        codes::READINESS_TIMEOUT => vec![start("start it")],
        _ => hint.into_iter().chain([start("then start it")]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use quorate_model::{Clock, NodeId};

    use super::*;
    use crate::node::SystemClock;

    fn view(role: NodeRole, pid: Option<u32>, ready: bool) -> LocalView {
        LocalView {
            scope: "local",
            name: "m1".to_owned(),
            node: "n1".to_owned(),
            cluster_id: "c".to_owned(),
            role,
            pid,
            ready,
            silent: false,
            last_known_leader: Some("n2".to_owned()),
            masters: (1..=3).map(|id| (format!("n{id}"), format!("10.0.0.{id}:9901"))).collect(),
            missing: Vec::new(),
            ended_by: None,
            to_do: Vec::new(),
        }
    }

    fn steps(view: &LocalView) -> String {
        to_do(view, &Invocation::of(Some("/srv/m1".as_ref()), None)).join("\n")
    }

    #[test]
    fn what_to_do_names_the_others_how_many_are_needed_and_the_way_out() {
        let mut waiting = view(NodeRole::Master, Some(7), false);
        waiting.missing = vec!["leader: no leader is elected".to_owned()];
        let told = steps(&waiting);
        assert!(told.contains("until 2 of 3 voters run"), "{told}");
        assert!(told.contains("n2 at 10.0.0.2:9901") && !told.contains("10.0.0.1"), "{told}");
        assert!(told.contains("on each of their hosts: quorate start\n"), "{told}");
        assert!(told.contains("quorate --root /srv/m1 recover collect --out"), "{told}");
        // One that was ready once and is cut off is told the same.
        waiting.ready = true;
        assert_eq!(steps(&waiting), told);
        let stopped = steps(&view(NodeRole::Both, None, false));
        assert_eq!(stopped, "start it: quorate --root /srv/m1 start, with QUORATE_ROOT_KEY set");
        let manager = steps(&view(NodeRole::NodeManager, None, false));
        assert!(!manager.contains("QUORATE_ROOT_KEY") && manager.contains("--server"), "{manager}");
    }

    #[test]
    fn a_master_that_lives_and_does_not_answer_is_told_from_one_that_starts() {
        let folders =
            Folders::resolve(&super::super::FolderArgs::default(), Some("/srv/m1".as_ref()), None);
        let called = Invocation::of(Some("/srv/m1".as_ref()), None);
        let asked = |view: LocalView, taken| {
            view.unanswered("no answer within 20 s", taken, &folders, &called)
        };
        for (ready, taken) in [(true, true), (false, true), (true, false)] {
            let hangs = asked(view(NodeRole::Master, Some(7), ready), taken);
            assert!(hangs.silent && !hangs.is_well());
            let missing = &hangs.missing[0];
            assert!(missing.contains("process 7 lives"), "{missing}");
            assert!(missing.contains("/srv/m1/run/admin.sock: no answer within 20 s"), "{missing}");
            let steps = hangs.to_do.join("\n");
            for words in [
                "tail /srv/m1/log/quorate.log",
                "quorate --root /srv/m1 stop\n",
                "(Q1041): kill -9 7",
                "quorate --root /srv/m1 start",
                "the other masters go on",
            ] {
                assert!(steps.contains(words), "{words}: {steps}");
            }
        }
        let starts = view(NodeRole::Master, Some(7), false);
        assert_eq!(asked(starts.clone(), false), starts);
        let dead = view(NodeRole::Master, None, false);
        assert_eq!(asked(dead.clone(), false), dead);
        let manager = view(NodeRole::NodeManager, Some(7), true);
        assert_eq!(asked(manager.clone(), false), manager, "it has no socket to ask");
    }

    #[test]
    fn a_dead_master_still_knows_the_others_by_its_last_word() {
        let root = tempfile::tempdir().unwrap();
        let folders =
            Folders::resolve(&super::super::FolderArgs::default(), Some(root.path()), None);
        assert!(masters(&folders).masters.is_empty());
        std::fs::create_dir_all(&folders.run).unwrap();
        let report = serde_json::json!({
            "pid": 7, "node": 1, "phase": "ready", "leader": 2,
            "masters": {"1": "10.0.0.1:9901", "2": "10.0.0.2:9901"},
            "at": SystemClock.now(),
        });
        std::fs::write(folders.run.join("node.json"), report.to_string()).unwrap();
        let known = masters(&folders);
        assert_eq!((known.masters.len(), known.leader), (2, Some(NodeId(2))));
    }

    #[test]
    fn a_node_that_must_not_be_started_is_not_told_to_start() {
        let ended = |code, hint: &str| LocalView {
            ended_by: Some(Refusal::new(code, "it ended").hint(hint)),
            ..view(NodeRole::Master, None, false)
        };
        for code in [codes::EPOCH_ENDED, codes::NODE_WRITTEN_OFF, codes::NODE_REMOVED] {
            assert_eq!(steps(&ended(code, "let the host join anew")), "let the host join anew");
        }
        let half = ended(codes::RECOVERY_UNFINISHED, "apply it again: quorate recover apply PLAN");
        assert_eq!(
            steps(&half),
            "apply it again: quorate --root /srv/m1 recover apply PLAN\n\
             then start it: quorate --root /srv/m1 start, with QUORATE_ROOT_KEY set"
        );
        let told = steps(&ended(codes::READINESS_TIMEOUT, "start the others, then this one"));
        assert!(told.starts_with("start it: quorate --root /srv/m1 start"), "{told}");
        assert!(!told.contains("then this one") && told.contains("recover collect"), "{told}");
    }
}
