//! The rolling upgrade of Quorate's own nodes: the new binary is on every node's disk and was tried
//! there before anything stops; then one node after the other, as in a restart; and the feature
//! level rises last, once every node reads it.

use quorate_model::{
    Binary, Condition, NamedNode, NodeAction, OperationRequest, OrderKind, Plan, Refusal, Step,
    StepKind, Undo, codes,
};

use super::{
    act, over,
    restart::{WHY_AWAIT_MASTER, before_master, in_order, masters_whole, preflight},
};
use crate::{Facts, planner::DESIRE_DEADLINE_MS};

/// How long a node may take to fetch the binary and to try it, in milliseconds.
const STAGE_DEADLINE_MS: u64 = 600_000;
/// How long a node may take to stop and, if it must, to go back, besides the time the new binary
/// has to become ready, in milliseconds.
const THERE_AND_BACK_MS: u64 = 120_000;
/// How long the nodes may take to say what they read, in milliseconds.
const TELL_DEADLINE_MS: u64 = 30_000;
/// How long a node that came back must stay ready before the next step, in milliseconds.
const SUSTAINED_MS: u64 = 500;
/// What a node may be given to become ready with the new binary, in milliseconds.
const READY_WITHIN_MS: std::ops::RangeInclusive<u64> = 1_000..=3_600_000;

/// What is done to each node.
#[derive(Clone, Copy)]
pub(crate) struct Upgrade<'a> {
    pub(crate) binary: &'a Binary,
    pub(crate) ready_within_ms: u64,
}

pub(crate) fn plan(
    request: &OperationRequest,
    nodes: &[NamedNode],
    upgrade: Upgrade<'_>,
    accept_interruption: bool,
    facts: &Facts<'_>,
) -> Result<Plan, Vec<Refusal>> {
    fits(upgrade, facts).map_err(|refusal| vec![refusal])?;
    let spared = preflight("upgrade", nodes, accept_interruption, facts)?;
    let is_master = |node: &NamedNode| facts.state.metadata.is_master(node.id);
    let order = in_order(nodes, facts);
    let mut steps: Vec<Step> = order.iter().map(|node| stage(node, upgrade.binary)).collect();
    steps.extend(order.iter().map(|node| await_staged(node)));
    for node in order {
        if is_master(node) {
            steps.extend(before_master(node, spared, facts));
            steps.push(replace(node, upgrade, why_master(spared)));
            steps.push(await_ready(node, upgrade, WHY_AWAIT_MASTER));
        } else {
            let why = "Its process goes on in place as the new binary, with the same process id; \
                       instances go on running under their shims.";
            steps.push(replace(node, upgrade, why));
            let why = "The next node is upgraded only when this one's node manager reports again, \
                       with the new binary.";
            steps.push(await_ready(node, upgrade, why));
        }
    }
    if nodes.iter().any(is_master) {
        steps.push(masters_whole());
    }
    if let Some(level) = level_afterwards(nodes, upgrade.binary, facts) {
        steps.extend(raise(level, facts));
    }
    Ok(over(request, facts, steps))
}

/// What can be told of the binary without any node.
fn fits(upgrade: Upgrade<'_>, facts: &Facts<'_>) -> Result<(), Refusal> {
    let (level, said) = (facts.state.feature_level, &upgrade.binary.facts);
    if !said.feature_levels.read(level) {
        return Err(Refusal::new(
            codes::BINARY_UNFIT,
            format!("the binary {} cannot read this cluster", said.version),
        )
        .cause(format!(
            "the cluster has feature level {level}, the binary reads {}",
            said.feature_levels
        ))
        .hint("the feature level never falls: choose a binary that reads it"));
    }
    if !READY_WITHIN_MS.contains(&upgrade.ready_within_ms) {
        return Err(Refusal::new(
            codes::REQUEST_MALFORMED,
            "a node needs between one second and one hour to become ready",
        ));
    }
    Ok(())
}

/// The level that every node reads once these run the binary, when it is higher than now.
fn level_afterwards(nodes: &[NamedNode], binary: &Binary, facts: &Facts<'_>) -> Option<u32> {
    let upgraded = |id| nodes.iter().any(|node| node.id == id);
    let reads = facts.state.metadata.nodes.iter().map(|(id, node)| {
        if upgraded(*id) { binary.facts.feature_levels.to } else { node.reads_level.max(1) }
    });
    reads.min().filter(|level| *level > facts.state.feature_level)
}

fn stage(node: &NamedNode, binary: &Binary) -> Step {
    act(
        node.id,
        NodeAction::Order { order: OrderKind::Stage { binary: binary.clone() } },
        format!("Have `{}` fetch the binary {}", node.name, binary.sha256.short()),
        "Each node takes the binary from a master that holds it, checks its digest, and tries that \
         it runs there. Nothing stops yet.",
        Undo::Nothing,
    )
}

fn await_staged(node: &NamedNode) -> Step {
    Step {
        kind: StepKind::Await {
            condition: Condition::OrderDone { node: node.id },
            sustained_ms: 0,
        },
        title: format!("Await that `{}` holds the binary and that it runs there", node.name),
        why: "A binary that is too old for the cluster, is for another architecture or does not \
              start is found here, before any node has stopped."
            .to_owned(),
        deadline_ms: STAGE_DEADLINE_MS,
        undo: Undo::Nothing,
    }
}

fn replace(node: &NamedNode, upgrade: Upgrade<'_>, why: &str) -> Step {
    let order = OrderKind::Upgrade {
        binary: upgrade.binary.clone(),
        ready_within_ms: upgrade.ready_within_ms,
    };
    act(
        node.id,
        NodeAction::Order { order },
        format!("Upgrade `{}` to {}", node.name, upgrade.binary.facts.version),
        why,
        Undo::Nothing,
    )
}

const fn why_master(spared: bool) -> &'static str {
    if spared {
        "One master at a time: the others go on serving. It stops as on SIGTERM and goes on in place \
         as the new binary, with the same process id. When that is not ready in time, or does not \
         start, the node goes back to the binary it ran before."
    } else {
        "The interruption was accepted with --accept-interruption. It stops as on SIGTERM and goes on \
         in place as the new binary; when that is not ready in time, it goes back."
    }
}

fn await_ready(node: &NamedNode, upgrade: Upgrade<'_>, why: &str) -> Step {
    Step {
        kind: StepKind::Await {
            condition: Condition::NodeReady { node: node.id },
            sustained_ms: SUSTAINED_MS,
        },
        title: format!(
            "Await that `{}` is back and ready with {}",
            node.name, upgrade.binary.facts.version
        ),
        why: why.to_owned(),
        deadline_ms: upgrade.ready_within_ms.saturating_add(THERE_AND_BACK_MS),
        undo: Undo::Nothing,
    }
}

fn raise(level: u32, facts: &Facts<'_>) -> [Step; 2] {
    let now = facts.state.feature_level;
    [
        Step {
            kind: StepKind::Await {
                condition: Condition::LevelReadable { level },
                sustained_ms: 0,
            },
            title: format!("Await that every node reads feature level {level}"),
            why: "Every node says what its binary reads; what one of them cannot read is not \
                  written."
                .to_owned(),
            deadline_ms: TELL_DEADLINE_MS,
            undo: Undo::Nothing,
        },
        Step {
            kind: StepKind::Raise { level },
            title: format!("Raise the feature level from {now} to {level}"),
            why:
                "All nodes read it now. From here on older binaries refuse to start, and there is \
                  no way back."
                    .to_owned(),
            deadline_ms: DESIRE_DEADLINE_MS,
            undo: Undo::Impossible,
        },
    ]
}
