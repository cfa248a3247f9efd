//! The rolling restart of nodes: node managers first, then the masters that follow, the leader
//! last and only after its leadership moved.

use quorate_model::{
    Condition, NamedNode, NodeAction, OperationRequest, OrderKind, Plan, Refusal, Step, Undo, codes,
};

use super::{Nodes, act, over, require, step_down, verify, wait};
use crate::Facts;

pub(crate) fn plan(
    request: &OperationRequest,
    nodes: &[NamedNode],
    accept_interruption: bool,
    facts: &Facts<'_>,
) -> Result<Plan, Vec<Refusal>> {
    let is_master = |node: &NamedNode| facts.state.metadata.is_master(node.id);
    let spared = preflight("restart", nodes, accept_interruption, facts)?;
    let mut steps = Vec::new();
    for node in in_order(nodes, facts) {
        if is_master(node) {
            steps.extend(before_master(node, spared, facts));
            steps.push(restart(node, why_master(spared)));
            steps.push(wait(node, WHY_AWAIT_MASTER));
        } else {
            steps.push(restart(node, "Its instances go on running under their shims meanwhile."));
            steps.push(wait(
                node,
                "The next node is restarted only when this one's node manager reports again.",
            ));
        }
    }
    if nodes.iter().any(is_master) {
        steps.push(masters_whole());
    }
    Ok(over(request, facts, steps))
}

/// The nodes as they are taken: node managers first, then the masters that follow, the leader last.
pub(super) fn in_order<'a>(nodes: &'a [NamedNode], facts: &Facts<'_>) -> Vec<&'a NamedNode> {
    let leader = facts.observations.masters.leader;
    let mut order: Vec<&NamedNode> = nodes.iter().collect();
    order.sort_by_key(|node| (facts.state.metadata.is_master(node.id), Some(node.id) == leader));
    order.dedup();
    order
}

/// The end state is looked at once more.
pub(super) fn masters_whole() -> Step {
    verify(
        Condition::MastersWhole,
        "Verify that the masters are whole".to_owned(),
        "The end state is looked at once more: every master answers and is level, one leads.",
    )
}

/// Everything that must hold before the first step. True when each master can be spared, so that
/// nothing is interrupted.
pub(super) fn preflight(
    what: &str,
    nodes: &[NamedNode],
    accept_interruption: bool,
    facts: &Facts<'_>,
) -> Result<bool, Vec<Refusal>> {
    let view = Nodes::of(facts);
    let masters = nodes.iter().filter(|node| facts.state.metadata.is_master(node.id)).count();
    let mut refusals = Vec::new();
    if nodes.is_empty() {
        refusals.push(
            Refusal::new(codes::REQUEST_MALFORMED, "no node is named")
                .hint("name nodes, or use --masters or --all"),
        );
    }
    for node in nodes {
        match view.living(node.id) {
            Err(refusal) => refusals.push(refusal),
            Ok(known) if known.roles.node_manager => {
                if !facts.observations.is_reporting(node.id) {
                    refusals.push(
                        Refusal::new(
                            codes::NODE_SILENT,
                            format!("the node manager of `{}` does not report", node.name),
                        )
                        .hint("see that it runs on that host: quorate status"),
                    );
                }
            }
            Ok(_) => {}
        }
    }
    if masters == 0 {
        return if refusals.is_empty() { Ok(true) } else { Err(refusals) };
    }
    if let Err(refusal) = view.settled() {
        refusals.push(refusal);
        return Err(refusals);
    }
    // A master that is down already is no reason to take another one away.
    for (id, _) in facts.state.metadata.nodes.iter().filter(|(_, node)| node.roles.master) {
        refusals.extend(view.master_level(*id).err());
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let voters = facts.observations.masters.voters().count();
    let hint = "accept that: add --accept-interruption; or let masters join, so that there are 3";
    let lost = match voters {
        0 | 1 => Some("there is one master; while it restarts, nobody leads"),
        2 => Some("there are two voting masters, and both are needed"),
        _ => None,
    };
    match lost {
        None => Ok(true),
        // A learner is no loss.
        Some(_) if nodes.iter().all(|node| !facts.observations.masters.is_voter(node.id)) => {
            Ok(true)
        }
        Some(_) if accept_interruption => Ok(false),
        Some(cause) => Err(vec![
            Refusal::new(
                codes::INTERRUPTION_CERTAIN,
                format!("cannot {what} the masters without interrupting them"),
            )
            .cause(cause)
            .hint(hint),
        ]),
    }
}

/// What comes before a master is taken away: the quorum without it is counted, and the leadership
/// moves.
pub(super) fn before_master(node: &NamedNode, spared: bool, facts: &Facts<'_>) -> Vec<Step> {
    let leads = Some(node.id) == facts.observations.masters.leader;
    let mut steps = Vec::new();
    if spared {
        steps.push(require(
            Condition::MastersQuorateWithout { node: node.id },
            format!("Require that the masters keep their quorum without `{}`", node.name),
            "Counted on answers to the leader just before the restart: no master is taken away \
             while another one is.",
        ));
    }
    if leads && facts.observations.masters.heir(node.id).is_some() {
        steps.push(step_down(node));
    }
    steps
}

/// Why the masters that follow wait for it.
pub(super) const WHY_AWAIT_MASTER: &str = "The next master is touched only when this one has come \
     back, answers the leader, and has everything that was committed meanwhile.";

const fn why_master(spared: bool) -> &'static str {
    if spared {
        "One master at a time: the others go on serving. It stops as on SIGTERM and begins anew in \
         place, with the same process id; instances go on running. The order carries a generation, \
         so it restarts once, whatever happens to the leader."
    } else {
        "The interruption was accepted with --accept-interruption. It stops as on SIGTERM and begins \
         anew in place; instances go on running."
    }
}

fn restart(node: &NamedNode, why: &str) -> Step {
    act(
        node.id,
        NodeAction::Order { order: OrderKind::Restart },
        format!("Restart `{}`", node.name),
        why,
        Undo::Nothing,
    )
}
