//! Whether a plan may be applied on a node, judged by a fresh report of that node.

use quorate_model::{NodeId, Refusal, codes};

use super::{RECOVERY_FORMAT, RecoveryPlan, RecoveryReport, Survivor};

/// What a node does in a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its log goes on; it is the first voter.
    Keeper,
    /// It puts what it holds aside and comes back as a learner.
    Rejoin,
}

impl RecoveryPlan {
    /// Whether the document can be used at all.
    ///
    /// # Errors
    /// When it was damaged or edited, or is of a newer version.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.format > RECOVERY_FORMAT {
            return Err(Refusal::new(
                codes::FORMAT_TOO_NEW,
                format!(
                    "the plan has format {}; this binary reads up to {RECOVERY_FORMAT}",
                    self.format
                ),
            )
            .hint("apply it with the binary that made it"));
        }
        if self.is_whole() {
            return Ok(());
        }
        Err(invalid("the plan was damaged or edited")
            .cause("its content is not what its hash was made of")
            .hint("copy it again from where it was made; never edit a plan, make another one"))
    }

    /// What `node` does in this plan.
    ///
    /// # Errors
    /// When it is written off, or not part of the plan.
    pub fn part_of(&self, node: NodeId) -> Result<Part, Refusal> {
        if node == self.keeper.node {
            return Ok(Part::Keeper);
        }
        if self.rejoin.iter().any(|survivor| survivor.node == node) {
            return Ok(Part::Rejoin);
        }
        if self.written_off.iter().any(|one| one.node == node) {
            return Err(Refusal::new(
                codes::NODE_WRITTEN_OFF,
                format!("this node, {node}, is written off in this plan"),
            )
            .cause("no report of it was given to `recover plan`")
            .hint("if it is well after all, collect its report and plan again, with all reports; if the plan was applied elsewhere already, move its data folder aside and let the host join anew"));
        }
        Err(invalid(format!("this node, {node}, is not part of the plan"))
            .hint("look at which cluster and masters the plan names, and at the folder (--root)"))
    }

    /// Whether the node is still as it was when it reported; `fresh` is a report made now.
    ///
    /// # Errors
    /// When it is of another cluster or epoch, or its log or vote has changed since.
    pub fn fits(&self, fresh: &RecoveryReport) -> Result<Part, Refusal> {
        self.check()?;
        let node = fresh.node;
        if fresh.cluster != self.cluster {
            return Err(invalid("the plan is of another cluster").cause(format!(
                "this node is of {}, the plan of {}",
                fresh.cluster, self.cluster
            )));
        }
        let part = self.part_of(node)?;
        if fresh.epoch != self.ends {
            return Err(Refusal::new(
                codes::RECOVERY_CONFLICT,
                format!("this node is in epoch {}; the plan ends epoch {}", fresh.epoch, self.ends),
            )
            .cause("another recovery was applied here")
            .hint("start this node; or collect all reports again, and make a new plan"));
        }
        let reported = std::iter::once(&self.keeper)
            .chain(&self.rejoin)
            .find(|survivor| survivor.node == node);
        match reported {
            Some(reported) if unchanged(reported, fresh) => Ok(part),
            _ => Err(Refusal::new(
                codes::RECOVERY_NODE_CHANGED,
                format!("this node, {node}, has changed since it reported"),
            )
            .cause(changes(reported, fresh))
            .hint("it was started meanwhile: stop it, collect its report again, and make a new plan with all reports")),
        }
    }
}

fn unchanged(reported: &Survivor, fresh: &RecoveryReport) -> bool {
    reported.vote == fresh.vote && reported.last_log == fresh.last_log
}

fn changes(reported: Option<&Survivor>, fresh: &RecoveryReport) -> String {
    let end = |last: Option<super::LogPosition>| {
        last.map_or_else(
            || "nowhere".to_owned(),
            |last| format!("{} of term {}", last.index, last.term),
        )
    };
    let Some(reported) = reported else { return "it did not report".to_owned() };
    format!(
        "its log ended at {} and ends at {}; it had voted in term {} and has in term {}",
        end(reported.last_log),
        end(fresh.last_log),
        reported.vote.term,
        fresh.vote.term
    )
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(codes::RECOVERY_PLAN_INVALID, message)
}
