//! The reset: one step brings the state back to the first one, then every master begins anew with
//! nothing older on its disk; one that is away does so when it comes back.

use quorate_model::{
    ClusterAction, Condition, NamedNode, NodeAction, NodeId, OperationRequest, OrderKind, Pin,
    Plan, Refusal, Step, StepKind, Subject, Undo, UserName, codes,
};
use quorate_state::State;

use super::{
    Nodes, act,
    restart::{WHY_AWAIT_MASTER, before_master},
    verify, wait,
};
use crate::{Facts, planner::DESIRE_DEADLINE_MS, recovery::sha256_of};

/// The user that there is after a reset.
const ADMIN: &str = "admin";

pub(crate) fn plan(request: &OperationRequest, facts: &Facts<'_>) -> Result<Plan, Vec<Refusal>> {
    let view = Nodes::of(facts);
    let leader = view.settled().map_err(|refusal| vec![refusal])?;
    let metadata = &facts.state.metadata;
    let masters: Vec<NamedNode> = metadata
        .nodes
        .iter()
        .filter(|(_, node)| node.roles.master)
        .map(|(id, node)| NamedNode { id: *id, name: node.name.clone() })
        .collect();
    let (mut present, away): (Vec<_>, Vec<_>) =
        masters.into_iter().partition(|node| view.master_level(node.id).is_ok());
    present.sort_by_key(|node| node.id == leader);

    let mut steps = vec![begin_anew(facts.state)?];
    for node in &away {
        steps.push(purge(
            node,
            format!("Order `{}`, which is away, to do the same when it comes back", node.name),
            "It gets the reset with the log or by a snapshot, as everything else that it missed, \
             and cannot bring back what it holds: the others agreed on the reset without it. \
             Nothing is waited for.",
        ));
    }
    for node in &present {
        steps.extend(restart(node, &view, facts));
    }
    if away.is_empty() {
        steps.push(verify(
            Condition::MastersWhole,
            "Verify that the masters are whole".to_owned(),
            "The end state is looked at once more: every master answers and is level, one leads.",
        ));
    }
    Ok(Plan {
        request: request.clone(),
        steps,
        pins: vec![Pin {
            revision: metadata.revision_of(&Subject::Masters),
            subject: Subject::Masters,
        }],
        locks: vec![Subject::Cluster],
    })
}

/// What a reset is confirmed by: a hash over everything that its plan shows.
#[must_use]
pub fn confirmation(plan: &Plan) -> String {
    sha256_of(&(plan.request.title(), &plan.pins, &plan.steps))
}

fn begin_anew(state: &State) -> Result<Step, Vec<Refusal>> {
    let admin = UserName::new(ADMIN)
        .map_err(|error| vec![Refusal::new(codes::INTERNAL, error.to_string())])?;
    Ok(Step {
        kind: StepKind::Cluster {
            action: ClusterAction::Reset { admin, password_hash: String::new() },
        },
        title: "Bring the state back to the first one".to_owned(),
        why: loss(state),
        deadline_ms: DESIRE_DEADLINE_MS,
        undo: Undo::Impossible,
    })
}

/// What goes and what stays, counted.
fn loss(state: &State) -> String {
    let (metadata, iam) = (&state.metadata, &state.iam);
    let instances: usize =
        metadata.components.values().map(|component| component.instances.len()).sum();
    let cluster = state.cluster.map_or_else(|| "?".to_owned(), |cluster| cluster.to_string());
    let standing: Vec<String> = metadata
        .operations
        .values()
        .filter(|operation| !operation.status.is_final())
        .map(|operation| {
            format!(
                " `{}` ({}), which is {}, ends where it stands, and nothing of it is taken back.",
                operation.plan.request.title(),
                operation.id,
                operation.status.as_str()
            )
        })
        .collect();
    format!(
        "Lost for good in cluster {cluster}: {} with every login, {}, {}, {} with {}, {}, the audit \
         trail, how autopilot behaves.{} `{ADMIN}` can log in afterwards, with a one-time password. \
         What stays: the cluster's identity and authority, {}, their ids and votes, the epoch. The \
         instances are not touched: they go on running, and nobody looks after them.",
        counted(iam.users.len(), "user"),
        counted(iam.tokens.len(), "join token"),
        counted(metadata.settings.len(), "setting"),
        counted(metadata.components.len(), "component"),
        counted(instances, "instance"),
        counted(metadata.operations.len(), "operation"),
        standing.concat(),
        counted(metadata.nodes.len(), "node"),
    )
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn restart(node: &NamedNode, view: &Nodes<'_>, facts: &Facts<'_>) -> Vec<Step> {
    let voters: Vec<NodeId> = facts.observations.masters.voters().collect();
    let spared = view.quorate_without(node.id).is_ok() && voters != [node.id];
    let mut steps = before_master(node, spared, facts);
    steps.push(purge(
        node,
        format!("Purge and restart `{}`", node.name),
        if spared {
            "It writes a snapshot of the new state, stops, removes everything older from its disk \
             (log, former snapshots, what recoveries kept) and begins anew in place. The others go \
             on serving meanwhile."
        } else {
            "It writes a snapshot of the new state, stops, removes everything older from its disk \
             (log, former snapshots, what recoveries kept) and begins anew in place. No other \
             majority is there, so nobody leads until it is back."
        },
    ));
    steps.push(wait(node, WHY_AWAIT_MASTER));
    steps
}

fn purge(node: &NamedNode, title: String, why: &str) -> Step {
    act(node.id, NodeAction::Order { order: OrderKind::Purge }, title, why, Undo::Nothing)
}
