//! The masters' leadership, votes, priorities and policy.

use std::time::{Duration, Instant};

use quorate_api::rest::{
    MasterPolicyBody, MasterPolicyView, OperationView, PlanView, PriorityBody, TransferLeaderBody,
    VotesBody,
};
use quorate_model::{NodeId, OperationRequest, Refusal, RequestId, codes};
use quorate_plan::{AutopilotInput, VotesVerdict, judge_votes};
use quorate_state::{Command, MasterPolicy, State};

use super::{nodes::named, operations};
use crate::{Control, Permission, Principal, background::Watching, views};

/// Plans a transfer of the leadership.
///
/// # Errors
/// Every reason why not.
pub async fn plan_transfer(
    control: &Control,
    principal: &Principal,
    body: &TransferLeaderBody,
) -> Result<PlanView, Vec<Refusal>> {
    operations::plan(control, principal, &request(control, principal, body)?).await
}

/// Moves the leadership by an operation.
///
/// # Errors
/// Every reason why not.
pub async fn transfer(
    control: &Control,
    principal: &Principal,
    body: &TransferLeaderBody,
    request_id: Option<RequestId>,
) -> Result<OperationView, Vec<Refusal>> {
    principal.require(Permission::Operate).map_err(|refusal| vec![refusal])?;
    let request = request(control, principal, body)?;
    operations::submit(control, principal, request, request_id).await
}

/// How autopilot and the choice of the leader behave.
///
/// # Errors
/// When the principal may not see it.
pub fn policy(control: &Control, principal: &Principal) -> Result<MasterPolicyView, Refusal> {
    principal.require(Permission::Read)?;
    Ok(policy_view(&control.state()))
}

/// Changes what is given and leaves the rest.
///
/// # Errors
/// When a value makes no sense.
pub async fn set_policy(
    control: &Control,
    principal: &Principal,
    body: &MasterPolicyBody,
    request_id: Option<RequestId>,
) -> Result<MasterPolicyView, Refusal> {
    principal.require(Permission::Administer)?;
    let state = control.linearized().await?;
    let known = &state.metadata.policy;
    let policy = MasterPolicy {
        fail_back_ms: body.fail_back_ms.unwrap_or(known.fail_back_ms),
        stall_after_ms: body.stall_after_ms.unwrap_or(known.stall_after_ms),
        cleanup_after_ms: match body.cleanup_after_ms {
            None => known.cleanup_after_ms,
            Some(0) => None,
            Some(after) => Some(after),
        },
        cleanup_floor: body.cleanup_floor.unwrap_or(known.cleanup_floor),
    };
    if policy != *known {
        let command = Command::SetMasterPolicy { policy };
        control.change(principal, Permission::Administer, request_id, command).await?;
    }
    if let Some(reason) = &body.even_voters {
        let because = Some(reason.clone()).filter(|reason| !reason.trim().is_empty());
        let command = Command::AllowEvenVoters { because };
        control.change(principal, Permission::Administer, None, command).await?;
    }
    let state = control.linearized().await?;
    Ok(policy_view(&state))
}

/// Lets masters vote or keeps them as learners. It is decided here and carried out by autopilot.
///
/// # Errors
/// When the voters would be even in number without a reason, or could not act.
pub async fn set_votes(
    control: &Control,
    principal: &Principal,
    body: &VotesBody,
    request_id: Option<RequestId>,
) -> Result<(), Refusal> {
    principal.require(Permission::Administer)?;
    let state = control.linearized().await?;
    let nodes = body.nodes.iter().map(|text| find(&state, text)).collect::<Result<Vec<_>, _>>()?;
    if nodes.is_empty() {
        return Err(Refusal::new(codes::REQUEST_MALFORMED, "no master is named"));
    }
    let mut input = present(control);
    input.even_allowed |= body.even_because.is_some();
    match judge_votes(&input, &nodes, body.votes) {
        VotesVerdict::Fine => {}
        VotesVerdict::Even(voters) => return Err(even(voters)),
        VotesVerdict::TooFew => {
            return Err(Refusal::new(
                codes::QUORUM_WOULD_BE_LOST,
                "the masters that would still vote could not act",
            )
            .cause("too few of them answer")
            .hint("bring the others back first: quorate status"));
        }
    }
    let command = Command::SetVotes {
        nodes,
        votes: body.votes,
        reason: body.reason.clone(),
        even_because: body.even_because.clone(),
    };
    control.change(principal, Permission::Administer, request_id, command).await.map(|_| ())
}

/// Prefers a master as leader.
///
/// # Errors
/// When there is no such master.
pub async fn set_priority(
    control: &Control,
    principal: &Principal,
    node: &str,
    body: &PriorityBody,
    request_id: Option<RequestId>,
) -> Result<(), Refusal> {
    principal.require(Permission::Administer)?;
    let state = control.linearized().await?;
    let id = find(&state, node)?;
    let command = Command::SetPriority { id, priority: body.priority };
    control.change(principal, Permission::Administer, request_id, command).await.map(|_| ())
}

fn request(
    control: &Control,
    principal: &Principal,
    body: &TransferLeaderBody,
) -> Result<OperationRequest, Vec<Refusal>> {
    let to = body.to.as_deref().map(|to| named(control, principal, to)).transpose()?;
    Ok(OperationRequest::MasterTransferLeader { to })
}

/// What autopilot would decide on now; whoever is level at this moment counts as level.
fn present(control: &Control) -> AutopilotInput {
    let now = Instant::now();
    let mut watching = Watching::default();
    watching.look(control, now);
    let input = watching.autopilot_input(control, now);
    AutopilotInput { stabilization: Duration::ZERO, ..input }
}

fn even(voters: usize) -> Refusal {
    Refusal::new(codes::EVEN_VOTERS, format!("there would be {voters} voting masters"))
        .cause("an even number needs one more vote to act and survives no more deaths")
        .hint("name two masters, add one, or say why: --allow-even REASON")
}

/// A living node by its id or its name.
fn find(state: &State, text: &str) -> Result<NodeId, Refusal> {
    let by_id = text.parse::<NodeId>().ok().filter(|id| state.metadata.nodes.contains_key(id));
    let by_name = || {
        let mut nodes = state.metadata.nodes.iter();
        nodes.find(|(_, node)| node.name.as_str() == text).map(|(id, _)| *id)
    };
    by_id.or_else(by_name).ok_or_else(|| {
        Refusal::new(codes::NOT_FOUND, format!("there is no node `{text}`"))
            .hint("the nodes are listed by: quorate node list")
    })
}

fn policy_view(state: &State) -> MasterPolicyView {
    let policy = &state.metadata.policy;
    MasterPolicyView {
        fail_back_ms: policy.fail_back_ms,
        stall_after_ms: policy.stall_after_ms,
        cleanup_after_ms: policy.cleanup_after_ms,
        cleanup_floor: policy.cleanup_floor,
        even_voters: state.metadata.even_voters.as_ref().map(views::stated),
    }
}
