//! Operations on Quorate's own nodes: restart, upgrade, remove, replace, reset, and who leads the
//! masters.

mod conditions;
mod observed;
mod remove;
mod replace;
mod reset;
mod restart;
mod transfer;
mod upgrade;

use quorate_model::{
    Condition, NamedNode, NodeAction, NodeId, OperationRequest, Pin, Plan, Step, StepKind, Undo,
    VoterAction,
};

pub(crate) use conditions::Nodes;
pub use observed::{LEVEL_LAG, MASTER_FRESH_FOR, MasterObserved, MastersObserved};
pub(crate) use remove::plan as remove;
pub(crate) use replace::plan as replace;
pub use reset::confirmation;
pub(crate) use reset::plan as reset;
pub(crate) use restart::plan as restart;
pub(crate) use transfer::plan as transfer;
pub(crate) use upgrade::{Upgrade, plan as upgrade};

use crate::{
    Facts,
    planner::{DESIRE_DEADLINE_MS, REQUIRE_DEADLINE_MS, START_DEADLINE_MS},
};

/// How long a change of voters or of leadership may take, in milliseconds.
const VOTERS_DEADLINE_MS: u64 = 60_000;
/// How long a node that came back must stay ready before the next step, in milliseconds. Masters
/// answer every 40 ms, so this is many answers.
const SUSTAINED_MS: u64 = 500;

/// A plan over the request's own subjects, pinned to the revisions they have now.
fn over(request: &OperationRequest, facts: &Facts<'_>, steps: Vec<Step>) -> Plan {
    let metadata = &facts.state.metadata;
    let subjects = request.subjects(|node| metadata.is_master(node));
    Plan {
        request: request.clone(),
        steps,
        pins: subjects
            .iter()
            .map(|subject| Pin {
                revision: metadata.revision_of(subject),
                subject: subject.clone(),
            })
            .collect(),
        locks: subjects,
    }
}

fn require(condition: Condition, title: String, why: &str) -> Step {
    Step {
        kind: StepKind::Require { condition },
        title,
        why: why.to_owned(),
        deadline_ms: REQUIRE_DEADLINE_MS,
        undo: Undo::Nothing,
    }
}

fn act(node: NodeId, action: NodeAction, title: String, why: &str, undo: Undo) -> Step {
    Step {
        kind: StepKind::Node { node, action },
        title,
        why: why.to_owned(),
        deadline_ms: DESIRE_DEADLINE_MS,
        undo,
    }
}

fn vote(node: NodeId, action: VoterAction, title: String, why: String) -> Step {
    Step {
        kind: StepKind::Voter { node, action },
        title,
        why,
        deadline_ms: VOTERS_DEADLINE_MS,
        undo: Undo::Nothing,
    }
}

fn wait(node: &NamedNode, why: &str) -> Step {
    Step {
        kind: StepKind::Await {
            condition: Condition::NodeReady { node: node.id },
            sustained_ms: SUSTAINED_MS,
        },
        title: format!("Await that `{}` is back and ready", node.name),
        why: why.to_owned(),
        deadline_ms: START_DEADLINE_MS,
        undo: Undo::Nothing,
    }
}

fn verify(condition: Condition, title: String, why: &str) -> Step {
    Step {
        kind: StepKind::Verify { condition },
        title,
        why: why.to_owned(),
        deadline_ms: REQUIRE_DEADLINE_MS,
        undo: Undo::Nothing,
    }
}

/// Before the leader is touched, another master leads.
fn step_down(node: &NamedNode) -> Step {
    vote(
        node.id,
        VoterAction::TransferLeader,
        format!("Move the leadership away from `{}`", node.name),
        format!(
            "`{}` leads. Handed over, leadership changes hands within milliseconds; stopping a \
             leader would cost an election.",
            node.name
        ),
    )
}
