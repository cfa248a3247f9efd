//! Reads what a stopped master holds into a report.

use quorate_model::{LogIndex, NodeId, Refusal, Term, codes};
use quorate_plan::recovery::{
    LogPosition, MasterNamed, RECOVERY_FORMAT, RecoveryReport, StateSummary, VoteSeen,
};
use quorate_raft::{Held, inspect};
use quorate_state::State;

use super::{
    StoppedMaster,
    records::{load_epoch, may_run},
};
use crate::node::Folders;

/// Reports what the master in these folders holds, and changes nothing.
pub(crate) fn collect(folders: &Folders) -> Result<RecoveryReport, Refusal> {
    let master = StoppedMaster::hold(folders)?;
    may_run(folders)?;
    master.report()
}

impl StoppedMaster {
    pub(super) fn report(&self) -> Result<RecoveryReport, Refusal> {
        let place = self.place();
        let epoch = load_epoch(&self.folders)?.epoch;
        let held = inspect(&place).map_err(|error| error.refusal())?;
        let position = |(term, index): (Term, LogIndex)| LogPosition { term, index };
        let (term, voted_for, elected) = held.vote.unwrap_or((Term(0), NodeId(0), false));
        let state = summary(&held)?;
        let Held { last_log, committed, snapshot, voters, members, .. } = held;
        let report = RecoveryReport {
            format: RECOVERY_FORMAT,
            cluster: place.cluster,
            node: place.node,
            name: self.config.node.name.to_string(),
            epoch,
            version: crate::node::binary::version().to_owned(),
            vote: VoteSeen { term, node: voted_for, elected },
            last_log: last_log.map(position),
            committed: committed.map(position),
            applied: committed.map(|(_, index)| index),
            snapshot,
            voters,
            members,
            state,
            digest: String::new(),
        };
        Ok(report.sealed())
    }
}

fn summary(held: &Held) -> Result<StateSummary, Refusal> {
    let state: &State = &held.state;
    let metadata = &state.metadata;
    let sha256 = state.sha256().map_err(|error| {
        Refusal::new(codes::INTERNAL, "the state cannot be encoded").cause(error.to_string())
    })?;
    Ok(StateSummary {
        masters: metadata
            .nodes
            .iter()
            .filter(|(_, node)| node.roles.master)
            .map(|(id, node)| {
                let (name, addr) = (node.name.to_string(), node.internal_addr.clone());
                (*id, MasterNamed { name, addr })
            })
            .collect(),
        tombstones: metadata.tombstones.keys().copied().collect(),
        last_node_id: metadata.last_node_id,
        last_generation: metadata.last_generation,
        newest_change: state.audit.entries.last().map(|entry| entry.at),
        nodes: metadata.nodes.len(),
        components: metadata.components.len(),
        operations: metadata.operations.len(),
        settings: metadata.settings.len(),
        users: state.iam.users.len(),
        sha256,
    })
}
