//! Moving the masters' leadership on request.

use quorate_model::{Condition, NamedNode, OperationRequest, Plan, Refusal, VoterAction, codes};

use super::{Nodes, over, verify, vote};
use crate::Facts;

pub(crate) fn plan(
    request: &OperationRequest,
    to: Option<&NamedNode>,
    facts: &Facts<'_>,
) -> Result<Plan, Vec<Refusal>> {
    let view = Nodes::of(facts);
    let masters = &facts.observations.masters;
    let one = |refusal: Refusal| vec![refusal];
    let leader = view.settled().map_err(one)?;
    let heir = match to {
        Some(to) => {
            fit(to, &view, facts).map_err(one)?;
            to.clone()
        }
        None => {
            let heir = masters.heir(leader).ok_or_else(|| {
                one(Refusal::new(
                    codes::MASTER_UNFIT,
                    format!("no other master can lead in the place of `{}`", view.name(leader)),
                )
                .cause("there is no other voting master that answers and has caught up")
                .hint("see which masters there are: quorate node list"))
            })?;
            let known = view.living(heir).map_err(one)?;
            NamedNode { id: heir, name: known.name.clone() }
        }
    };
    let steps = vec![
        vote(
            heir.id,
            VoterAction::Lead,
            format!("Move the leadership from `{}` to `{}`", view.name(leader), heir.name),
            "It votes, answers and has caught up. Leadership changes hands within milliseconds; a \
             write that arrives meanwhile waits for the new leader."
                .to_owned(),
        ),
        verify(
            Condition::LeaderIs { node: heir.id },
            format!("Verify that `{}` leads", heir.name),
            "Said by the new leader itself.",
        ),
    ];
    Ok(over(request, facts, steps))
}

/// Whether a master may be given the leadership.
fn fit(to: &NamedNode, view: &Nodes<'_>, facts: &Facts<'_>) -> Result<(), Refusal> {
    let masters = &facts.observations.masters;
    let refuse = |cause: String| {
        Refusal::new(codes::MASTER_UNFIT, format!("`{}` cannot lead", to.name))
            .cause(cause)
            .hint("see which masters there are and how they are: quorate node list")
    };
    view.living(to.id)?;
    if !masters.is_voter(to.id) {
        return Err(refuse("it has no vote".to_owned()));
    }
    masters.level(to.id).map_err(refuse)
}
