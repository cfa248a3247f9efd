//! Carries out a plan on one survivor. Twice is once, and an interrupted attempt is repeated.

use std::{fs, os::unix::fs::DirBuilderExt};

use quorate_model::{Clock, Epoch, NodeId, Refusal, codes};
use quorate_plan::recovery::{Part, RecoveryPlan};
use quorate_raft::rebuild;
use quorate_state::Proposal;
use serde::Serialize;

use super::{
    StoppedMaster,
    failpoint::reach,
    probe::refuse_the_living,
    records::{
        Begun, load_begun, load_epoch, load_mark, refused, remove_mark, store_begun, store_epoch,
    },
    swap::swap,
};
use crate::node::{Folders, SystemClock, dial::NodeDialer, refuse_file};

/// What was done on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Applied {
    /// The node.
    pub(crate) node: NodeId,
    /// The epoch it is in now.
    pub(crate) epoch: Epoch,
    /// Whether its log goes on.
    pub(crate) keeper: bool,
    /// Whether all of it was done before.
    pub(crate) was_applied: bool,
    /// Where what it held before is kept.
    pub(crate) before: String,
}

/// A plan that may be applied on this node, which nothing has been done to yet.
pub(crate) struct Application {
    master: StoppedMaster,
    plan: RecoveryPlan,
    part: Part,
    /// What was found to be done already.
    progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Nothing,
    Begun,
    Finished,
}

impl Application {
    /// Makes sure that the plan fits this node, as it is now, and that nothing stands against it.
    pub(crate) fn prepare(folders: &Folders, plan: RecoveryPlan) -> Result<Self, Refusal> {
        plan.check()?;
        let master = StoppedMaster::hold(folders)?;
        let node = master.identity.current().node;
        let part = plan.part_of(node)?;
        let begun = load_begun(folders)?;
        let progress = match &begun {
            Some(begun) if begun.plan == plan.hash && begun.finished => Progress::Finished,
            Some(begun) if begun.plan == plan.hash => Progress::Begun,
            Some(begun) if !begun.finished => {
                return Err(conflict(
                    format!("plan {} was begun here and not finished", begun.plan),
                    "apply that plan to its end first",
                ));
            }
            Some(begun) if begun.begins >= plan.begins => {
                return Err(conflict(
                    format!(
                        "plan {} was applied here; it began epoch {}",
                        begun.plan, begun.begins
                    ),
                    "start this node; or collect all reports again, and make a new plan",
                ));
            }
            _ => Progress::Nothing,
        };
        if progress == Progress::Nothing {
            plan.fits(&master.report()?)?;
            let before = folders.raft_before_epoch(plan.begins);
            if before.exists() {
                return Err(conflict(
                    format!("{} is there already", before.display()),
                    "a recovery of that epoch was made here and taken back: move that folder away if nothing of it is needed",
                ));
            }
        }
        // A survivor that was told of the new epoch is just what the plan is for.
        let told = load_mark(folders)?;
        if let Some(mark) = told.filter(|mark| mark.written_off || mark.epoch > plan.begins) {
            return Err(refused(folders, load_epoch(folders)?.epoch, &mark));
        }
        Ok(Self { master, plan, part, progress })
    }

    /// Whether all of it was done before.
    pub(crate) fn is_done(&self) -> bool {
        self.progress == Progress::Finished
    }

    /// The plan.
    pub(crate) const fn plan(&self) -> &RecoveryPlan {
        &self.plan
    }

    /// The node, and whether its log goes on.
    pub(crate) fn node(&self) -> (NodeId, bool) {
        (self.master.identity.current().node, self.part == Part::Keeper)
    }

    /// Makes sure that the written-off masters are dead, as far as it can be seen from here.
    pub(crate) async fn refuse_the_living(&self, assumed_dead: &[NodeId]) -> Result<(), Refusal> {
        let dialer = NodeDialer::new(&self.master.identity)?;
        refuse_the_living(&dialer, &self.plan.written_off, assumed_dead).await
    }

    /// Does it. When it is interrupted, the node refuses to run until it is repeated.
    pub(crate) fn carry_out(self) -> Result<Applied, Refusal> {
        let (folders, plan) = (&self.master.folders, &self.plan);
        if !self.is_done() {
            let mut begun = Begun::new(plan.hash.clone(), plan.begins);
            reach(0);
            store_begun(folders, &begun)?;
            reach(1);
            swap(folders, plan.begins, |new| match self.part {
                Part::Keeper => rebuild(
                    &self.master.place(),
                    new,
                    &plan.keeper.addr,
                    plan.term,
                    self.proposal(),
                )
                .map_err(|error| error.refusal()),
                Part::Rejoin => fs::DirBuilder::new()
                    .mode(0o700)
                    .create(new)
                    .map_err(|error| refuse_file("create", new, &error)),
            })?;
            let mut own = load_epoch(folders)?;
            own.epoch = plan.begins;
            own.written_off.extend(plan.written_off.iter().map(|gone| gone.node));
            store_epoch(folders, own)?;
            reach(6);
            remove_mark(folders)?;
            begun.finished = true;
            store_begun(folders, &begun)?;
            reach(7);
        }
        let (node, keeper) = self.node();
        Ok(Applied {
            node,
            epoch: plan.begins,
            keeper,
            was_applied: self.is_done(),
            before: folders.raft_before_epoch(plan.begins).display().to_string(),
        })
    }

    fn proposal(&self) -> Proposal {
        Proposal {
            request_id: None,
            at: SystemClock.now(),
            principal: "system:recover".to_owned(),
            command: self.plan.command(),
            digest: None,
            allowed_after: None,
        }
    }
}

fn conflict(cause: String, hint: &str) -> Refusal {
    Refusal::new(codes::RECOVERY_CONFLICT, "another recovery stands in the way")
        .cause(cause)
        .hint(hint)
}
