//! The masters: who may vote, who is preferred as leader, how autopilot behaves.

use quorate_model::{NodeId, Operation, OperationRequest, Refusal, Subject, codes};

use super::{Context, not_found};
use crate::{Applied, MasterPolicy, Node, Outcome, State, Stated};

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;
/// The shortest time after which a silent master may be removed: shorter than that, a restart would
/// cost a master.
const SHORTEST_CLEANUP_MS: u64 = 30_000;
/// The longest duration in the policy.
const LONGEST_MS: u64 = 30 * 24 * 3600 * 1000;

/// Gives masters the vote or keeps them as learners; autopilot carries it out.
pub(super) fn set_votes(
    state: &mut State,
    context: &Context<'_>,
    nodes: &[NodeId],
    votes: bool,
    reason: &str,
    even_because: Option<&str>,
) -> Outcome {
    for id in nodes {
        require_master(state, *id)?;
    }
    if let Some(operation) = state.metadata.lock_on(&Subject::Masters) {
        return Err(Refusal::new(
            codes::OPERATION_CONFLICT,
            format!("the operation {} is changing the masters", operation.id),
        )
        .cause(format!("it is {}", operation.status.as_str()))
        .hint(operation.what_next()));
    }
    let kept = if votes { None } else { Some(stated(context, reason)?) };
    let even = even_because.map(|reason| stated(context, reason)).transpose()?;
    for id in nodes {
        if let Some(node) = state.metadata.nodes.get_mut(id) {
            node.learner_only.clone_from(&kept);
            node.revision = context.revision();
        }
    }
    if let Some(even) = even {
        state.metadata.even_voters = Some(even);
    }
    state.metadata.masters_revision = context.revision();
    Ok(Applied::Done)
}

/// Allows an even number of voters, or allows it no longer.
pub(super) fn allow_even(
    state: &mut State,
    context: &Context<'_>,
    because: Option<&str>,
) -> Outcome {
    let even = because.map(|reason| stated(context, reason)).transpose()?;
    state.metadata.even_voters = even;
    Ok(Applied::Done)
}

/// Keeps why an even number of voters was accepted, once the removal that leaves it has been made.
pub(super) fn keep_accepted_even(state: &mut State, removal: &Operation) {
    let OperationRequest::NodeRemove { allow_even: Some(reason), .. } = &removal.plan.request
    else {
        return;
    };
    let voters = |node: &&Node| node.roles.master && node.learner_only.is_none();
    if state.metadata.nodes.values().filter(voters).count().is_multiple_of(2) {
        state.metadata.even_voters = Some(Stated {
            reason: reason.trim().to_owned(),
            by: removal.requested_by.clone(),
            at: removal.requested_at,
        });
    }
}

pub(super) fn set_priority(state: &mut State, id: NodeId, priority: u32) -> Outcome {
    require_master(state, id)?;
    if let Some(node) = state.metadata.nodes.get_mut(&id) {
        node.priority = priority;
    }
    Ok(Applied::Done)
}

pub(super) fn set_policy(state: &mut State, policy: &MasterPolicy) -> Outcome {
    let wrong = |what: &str, hint: &str| {
        Err(Refusal::new(codes::REQUEST_MALFORMED, what.to_owned()).hint(hint.to_owned()))
    };
    let longest =
        [policy.fail_back_ms, policy.stall_after_ms, policy.cleanup_after_ms.unwrap_or_default()]
            .into_iter()
            .max();
    if longest > Some(LONGEST_MS) {
        return wrong("a duration of the masters' policy is longer than 30 days", "give less");
    }
    if policy.stall_after_ms < 1_000 {
        return wrong("a learner cannot count as stalled within a second", "give 1s or more");
    }
    if policy.cleanup_after_ms.is_some_and(|after| after < SHORTEST_CLEANUP_MS) {
        return wrong(
            "a silent master cannot be removed within thirty seconds",
            "give more than a restart takes, such as 10m",
        );
    }
    if policy.cleanup_floor == 0 {
        return wrong("the floor of the clean-up is at least one voter", "give 1, 3 or 5");
    }
    state.metadata.policy = policy.clone();
    Ok(Applied::Done)
}

fn require_master(state: &State, id: NodeId) -> Result<(), Refusal> {
    match state.metadata.nodes.get(&id) {
        Some(node) if node.roles.master => Ok(()),
        Some(node) => Err(Refusal::new(
            codes::REQUEST_MALFORMED,
            format!("`{}` ({id}) is not a master", node.name),
        )
        .hint("the masters are listed by: quorate node list")),
        None => Err(not_found(format!("node {id}"))),
    }
}

fn stated(context: &Context<'_>, reason: &str) -> Result<Stated, Refusal> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
        return Err(Refusal::new(
            codes::REQUEST_MALFORMED,
            format!("a reason in words is needed, of at most {LONGEST_REASON} characters"),
        )
        .hint("say it for those who find this cluster later"));
    }
    Ok(Stated {
        reason: reason.to_owned(),
        by: context.proposal.principal.clone(),
        at: context.proposal.at,
    })
}
