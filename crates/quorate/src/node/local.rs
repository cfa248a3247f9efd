//! What can be told of the node on this host without asking any master: `status` shows it where
//! no quorum answers, or where there is only a node manager.

use std::collections::BTreeMap;

use quorate_keyring::identity::NodeIdentity;
use quorate_model::Refusal;
use quorate_node_manager::KnownMasters;
use serde::Serialize;

use super::{
    Folders, NodeConfig, NodeRole,
    pid_file::{self, Holder},
    removal,
    report::{Phase, ProcessReport},
};

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

/// Looks at this host's node; nothing when there is none in these folders.
pub(crate) fn look(folders: &Folders) -> Option<LocalView> {
    let config = NodeConfig::load(&folders.config_file()).ok()?;
    let identity = NodeIdentity::load(&folders.identity()).ok()?;
    let role = config.node.role;
    let pid = pid_file::all(&folders.run).iter().find_map(|path| match pid_file::look(path) {
        Ok(Holder::Running(identity)) => Some(identity.pid),
        _ => None,
    });
    let report = ProcessReport::load(folders);
    let kept = KnownMasters::load(&folders.node_manager()).unwrap_or_default();
    let told = report.as_ref();
    let mut masters = told.map(|report| report.masters.clone()).unwrap_or_default();
    if masters.is_empty() {
        masters = kept.masters;
    }
    let living = told.filter(|report| Some(report.pid) == pid);
    let ended_by = match pid {
        Some(_) => None,
        None => told.and_then(|report| report.failure.clone()),
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
        last_known_leader: told
            .and_then(|report| report.leader)
            .or(kept.leader)
            .map(|node| node.to_string()),
        masters: masters.into_iter().map(|(node, addr)| (node.to_string(), addr)).collect(),
        missing,
        ended_by,
        to_do: Vec::new(),
    };
    view.to_do = to_do(&view);
    Some(view)
}

/// What a person does next, in order.
fn to_do(view: &LocalView) -> Vec<String> {
    let others = view.other_masters();
    let mut steps = Vec::new();
    if view.pid.is_none() {
        if let Some(hint) = view.ended_by.as_ref().and_then(|failure| failure.hint.clone()) {
            steps.push(hint);
        }
        let key = if view.role.is_master() { ", with QUORATE_ROOT_KEY set" } else { "" };
        steps.push(format!("start it: quorate start{key}"));
    } else if view.role.is_master() && !view.ready {
        let voters = view.masters.len();
        if voters > 1 {
            let needed = voters / 2 + 1;
            steps.push(format!(
                "of {voters} voters {needed} must run and reach each other: see that the others \
                 do ({})",
                others.join(", ")
            ));
        }
        steps.push("quorate help Q4504 says what to do when too few are left".to_owned());
    } else if !view.missing.is_empty() {
        steps.push(format!(
            "see that the masters run and can be reached from here ({})",
            if others.is_empty() { "none is known".to_owned() } else { others.join(", ") }
        ));
    }
    if !view.role.is_master() {
        steps.push(
            "the state of the cluster: quorate status --server http://MASTER:8080".to_owned(),
        );
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(role: NodeRole, pid: Option<u32>, ready: bool) -> LocalView {
        LocalView {
            scope: "local",
            name: "m1".to_owned(),
            node: "n1".to_owned(),
            cluster_id: "c".to_owned(),
            role,
            pid,
            ready,
            last_known_leader: Some("n2".to_owned()),
            masters: (1..=3).map(|id| (format!("n{id}"), format!("10.0.0.{id}:9901"))).collect(),
            missing: Vec::new(),
            ended_by: None,
            to_do: Vec::new(),
        }
    }

    #[test]
    fn what_to_do_names_the_others_and_how_many_are_needed() {
        let waiting = to_do(&view(NodeRole::Master, Some(7), false)).join("\n");
        assert!(waiting.contains("of 3 voters 2 must run"), "{waiting}");
        assert!(waiting.contains("n2 at 10.0.0.2:9901") && !waiting.contains("10.0.0.1"));
        let stopped = to_do(&view(NodeRole::Both, None, false)).join("\n");
        assert!(stopped.contains("QUORATE_ROOT_KEY"), "{stopped}");
        let manager = to_do(&view(NodeRole::NodeManager, None, false)).join("\n");
        assert!(!manager.contains("QUORATE_ROOT_KEY") && manager.contains("--server"), "{manager}");
    }
}
