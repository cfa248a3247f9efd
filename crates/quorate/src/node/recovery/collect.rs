//! Reads what a stopped master holds into a report.

use quorate_model::{LogIndex, NodeId, Refusal, Term, codes};
use quorate_plan::recovery::{
    LogPosition, RECOVERY_FORMAT, RecoveryReport, StateSummary, VoteSeen,
};
use quorate_raft::{Held, inspect};

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
        let state = StateSummary::of(&held.state).map_err(|error| {
            Refusal::new(codes::INTERNAL, "the state cannot be encoded").cause(error.to_string())
        })?;
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
