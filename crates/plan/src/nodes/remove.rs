//! Taking a node out for good: nothing runs on it, its vote goes, a tombstone stands for it.

use quorate_model::{
    Condition, NamedNode, NodeAction, NodeId, OperationRequest, Plan, Refusal, Step, Undo,
    VoterAction, codes,
};

use super::{Nodes, VOTERS_DEADLINE_MS, act, over, require, step_down, verify, vote};
use crate::{Facts, judge};

pub(crate) fn plan(
    request: &OperationRequest,
    node: &NamedNode,
    allow_even: Option<&str>,
    facts: &Facts<'_>,
) -> Result<Plan, Vec<Refusal>> {
    let view = Nodes::of(facts);
    let known = view.living(node.id).map_err(|refusal| vec![refusal])?;
    let mut refusals: Vec<Refusal> = view.empty(node.id).err().into_iter().collect();
    if !known.roles.master {
        return if refusals.is_empty() {
            Ok(over(request, facts, tombstone(node)))
        } else {
            Err(refusals)
        };
    }
    if facts.state.metadata.nodes.values().filter(|node| node.roles.master).count() <= 1 {
        refusals.push(
            Refusal::new(
                codes::QUORUM_WOULD_BE_LOST,
                format!("cannot remove `{}`: it is the last master", node.name),
            )
            .hint(format!(
                "put another in its place: quorate node replace {} --with NEW",
                node.name
            )),
        );
        return Err(refusals);
    }
    let masters = &facts.observations.masters;
    if !masters.is_voter(node.id) {
        refusals.extend(view.settled().err());
        return if refusals.is_empty() {
            Ok(over(request, facts, tombstone(node)))
        } else {
            Err(refusals)
        };
    }
    // A learner that waits for a vote takes the one that goes: the voters stay odd.
    let heir = masters
        .members
        .iter()
        .find(|(id, seen)| {
            let may_vote = facts.state.metadata.nodes.get(*id);
            !seen.voter
                && **id != node.id
                && may_vote.is_some_and(|known| known.learner_only.is_none())
                && masters.level(**id).is_ok()
        })
        .map(|(id, _)| *id);
    let condition = Condition::MastersQuorateAfter { without: node.id, with: heir };
    refusals.extend(judge(&condition, facts).err());
    let remaining = masters.voters().count() - 1;
    if heir.is_none() && remaining.is_multiple_of(2) && allow_even.is_none() {
        refusals.push(even(node, remaining));
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let mut steps = vec![require(
        condition,
        format!("Require that the masters are quorate without the vote of `{}`", node.name),
        "Counted on the membership as it will be, on answers to the leader just before the change.",
    )];
    if masters.leader == Some(node.id) {
        steps.push(step_down(node));
    }
    steps.push(match heir {
        Some(heir) => give_vote(node, heir, &view.name(heir)),
        None => demote(node, remaining, allow_even),
    });
    steps.extend(tombstone(node));
    Ok(over(request, facts, steps))
}

fn even(node: &NamedNode, remaining: usize) -> Refusal {
    Refusal::new(
        codes::EVEN_VOTERS,
        format!("without `{}`, {remaining} voting masters would remain", node.name),
    )
    .cause(format!(
        "{remaining} survive no more deaths than {} would, and need one more to agree",
        remaining - 1
    ))
    .hint(format!(
        "let a master join and put it in its place: quorate node replace {} --with NEW; or say \
         why it shall be so: --allow-even REASON",
        node.name
    ))
}

fn demote(node: &NamedNode, remaining: usize, allow_even: Option<&str>) -> Step {
    let mut why = format!(
        "{remaining} voting masters remain. It keeps receiving the log until it is removed, so \
         that it learns of its removal. If this operation is aborted, autopilot gives the vote back."
    );
    if let (Some(reason), true) = (allow_even, remaining.is_multiple_of(2)) {
        why = format!(
            "{why} An even number was accepted: {reason}. The next master that joins and catches \
             up gets a vote and makes it odd again."
        );
    }
    vote(node.id, VoterAction::Demote, format!("Take the vote of `{}`", node.name), why)
}

pub(super) fn give_vote(node: &NamedNode, to: NodeId, to_name: &str) -> Step {
    vote(
        node.id,
        VoterAction::Replace { by: to },
        format!("Give the vote of `{}` to `{to_name}`", node.name),
        format!(
            "One joint change: majorities of the old and of the new voters agree on it, so that \
             there is no moment with another number of votes. `{to_name}` has caught up."
        ),
    )
}

/// The node is dead from here on.
pub(super) fn tombstone(node: &NamedNode) -> Vec<Step> {
    vec![
        require(
            Condition::NodeEmpty { node: node.id },
            format!("Require that `{}` carries no instance", node.name),
            "A component must not lose a member by the way.",
        ),
        Step {
            // A change of voters that is under way is finished first.
            deadline_ms: VOTERS_DEADLINE_MS,
            ..act(
                node.id,
                NodeAction::Remove,
                format!("Remove `{}` ({})", node.name, node.id),
                "Its certificate and its id are refused by every node from here on, for ever. \
                 Should its host come back with its old disk, it is told so and stops.",
                Undo::Impossible,
            )
        },
        verify(
            Condition::NodeGone { node: node.id },
            format!("Verify that `{}` is gone", node.name),
            "A tombstone stands for it, and the masters' membership knows it no more.",
        ),
    ]
}
