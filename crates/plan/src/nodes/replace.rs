//! Putting a master that has joined in the place of another, dead or alive.

use quorate_model::{
    Condition, NamedNode, NodeAction, OperationRequest, Plan, Refusal, Undo, codes,
};

use super::{Nodes, act, over, remove, require, step_down, verify};
use crate::{Facts, judge};

pub(crate) fn plan(
    request: &OperationRequest,
    old: &NamedNode,
    new: &NamedNode,
    take_name: bool,
    facts: &Facts<'_>,
) -> Result<Plan, Vec<Refusal>> {
    let view = Nodes::of(facts);
    let masters = &facts.observations.masters;
    let unfit = |message: String| Refusal::new(codes::MASTER_UNFIT, message);
    let mut refusals = Vec::new();
    for node in [old, new] {
        match view.living(node.id) {
            Err(refusal) => refusals.push(refusal),
            Ok(known) if !known.roles.master => refusals.push(
                unfit(format!("`{}` is not a master", node.name))
                    .hint("only a master takes a master's place"),
            ),
            Ok(_) => {}
        }
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    if old.id == new.id {
        return Err(vec![unfit(format!("`{}` cannot replace itself", old.name))]);
    }
    refusals.extend(view.settled().err());
    refusals.extend(view.empty(old.id).err());
    if masters.is_voter(new.id) {
        refusals.push(
            unfit(format!("`{}` votes already", new.name))
                .cause("a replacement is a master that has joined and does not vote yet")
                .hint(format!("to take the other away: quorate node remove {}", old.name)),
        );
    }
    if !masters.is_voter(old.id) {
        refusals.push(
            unfit(format!("`{}` does not vote", old.name))
                .hint(format!("to take it away: quorate node remove {}", old.name)),
        );
    }
    refusals.extend(view.master_level(new.id).err());
    let condition = Condition::MastersQuorateAfter { without: old.id, with: Some(new.id) };
    refusals.extend(judge(&condition, facts).err());
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let mut steps = vec![require(
        condition,
        format!(
            "Require that the masters are quorate with `{}` in the place of `{}`",
            new.name, old.name
        ),
        "Counted on the membership as it will be, on answers to the leader just before the change.",
    )];
    if masters.leader == Some(old.id) && masters.heir(old.id).is_some() {
        steps.push(step_down(old));
    }
    steps.push(remove::give_vote(old, new.id, new.name.as_str()));
    steps.extend(remove::tombstone(old));
    if take_name {
        steps.push(act(
            new.id,
            NodeAction::Rename { name: old.name.clone() },
            format!("Give `{}` the name `{}`", new.name, old.name),
            "The name is free now that the old node is gone. The id is not taken over: an id is \
             never used twice.",
            Undo::Impossible,
        ));
    }
    steps.push(verify(
        Condition::NodeReady { node: new.id },
        format!("Verify that `{}` is ready", new.name),
        "The end state is looked at once more.",
    ));
    Ok(over(request, facts, steps))
}
