//! Join tokens: made, revoked, and spent once.

use std::time::Duration;

use quorate_model::{NodeId, Refusal, Timestamp, TokenId, codes};

use super::{Context, key_of_another_request, nodes, not_found};
use crate::{Applied, Enrolment, JoinToken, KeyedRequest, NewNode, Outcome, State, TokenStatus};

/// How many tokens are kept, for people to look at and for joiners to repeat themselves.
const KEPT: usize = 1_000;
/// How long an approved joiner has at least to come in.
const APPROVAL_HOLDS: Duration = Duration::from_secs(15 * 60);

pub(super) fn create(state: &mut State, id: TokenId, token: &JoinToken) -> Outcome {
    if let Some(request) = &token.request {
        let known = state.iam.tokens.iter().find(|(_, known)| {
            let is_same = |known: &KeyedRequest| known.key == request.key;
            known.created_by == token.created_by && known.request.as_ref().is_some_and(is_same)
        });
        match known {
            Some((known_id, known)) if known.request == token.request => {
                return Ok(Applied::Token(*known_id));
            }
            Some(_) => return Err(key_of_another_request(&request.key)),
            None => {}
        }
    }
    if state.iam.tokens.contains_key(&id) {
        return Err(Refusal::new(codes::NAME_TAKEN, format!("the token {id} exists already")));
    }
    state.iam.tokens.insert(id, token.clone());
    forget_surplus(state, id);
    Ok(Applied::Token(id))
}

/// Forgets the tokens that expire first once there are too many. The number decides and not the
/// proposer's clock: one wrong clock must not make everybody's tokens unknown.
fn forget_surplus(state: &mut State, newest: TokenId) {
    while state.iam.tokens.len() > KEPT {
        let candidates = state.iam.tokens.iter().filter(|(id, _)| **id != newest);
        let Some((_, id)) = candidates.map(|(id, token)| (token.expires_at, *id)).min() else {
            return;
        };
        state.iam.tokens.remove(&id);
    }
}

pub(super) fn revoke(state: &mut State, id: TokenId) -> Outcome {
    match state.iam.tokens.remove(&id) {
        Some(_) => Ok(Applied::Done),
        None => Err(not_found(format!("join token {id}"))),
    }
}

/// Spends a token. The same joiner (by its key) may repeat itself and gets the same id, since an
/// answer can be lost on the way; anybody else finds the token used.
pub(super) fn enrol(
    state: &mut State,
    context: &Context<'_>,
    id: TokenId,
    key_sha256: &str,
    node: &NewNode,
) -> Outcome {
    let Some(token) = state.iam.tokens.get(&id) else {
        return Err(unusable("it is unknown here or was revoked"));
    };
    match &token.status {
        TokenStatus::Used { node, key_sha256: used_by } if used_by == key_sha256 => {
            return Ok(Applied::Node(*node));
        }
        TokenStatus::Unused if !token.auto_approve => {
            return Err(unusable("its bearer needs a person's approval and has not asked for it"));
        }
        TokenStatus::Unused => check_expiry(token, context)?,
        TokenStatus::Approved { enrolment, at, .. } if enrolment.key_sha256 == key_sha256 => {
            check_approval(token, *at, context)?;
            if enrolment.node != *node {
                return Err(unusable("its bearer is not what was approved"));
            }
        }
        TokenStatus::Pending { enrolment } if enrolment.key_sha256 == key_sha256 => {
            check_expiry(token, context)?;
            return Err(pending(id, token));
        }
        other => return Err(taken(other)),
    }
    check_node(state, token, node)?;
    let new_id = NodeId(state.metadata.last_node_id.0 + 1);
    nodes::insert(state, new_id, node, context);
    if let Some(token) = state.iam.tokens.get_mut(&id) {
        token.status = TokenStatus::Used { node: new_id, key_sha256: key_sha256.to_owned() };
    }
    Ok(Applied::Node(new_id))
}

/// A joiner knocks: it keeps its place at the door by its key, and nobody else gets the token.
pub(super) fn request(
    state: &mut State,
    context: &Context<'_>,
    id: TokenId,
    enrolment: &Enrolment,
) -> Outcome {
    let Some(token) = state.iam.tokens.get(&id) else {
        return Err(unusable("it is unknown here or was revoked"));
    };
    match &token.status {
        TokenStatus::Unused => {}
        TokenStatus::Pending { enrolment: known } if known.key_sha256 == enrolment.key_sha256 => {}
        TokenStatus::Approved { enrolment: known, at, .. }
            if known.key_sha256 == enrolment.key_sha256 && known.node == enrolment.node =>
        {
            check_approval(token, *at, context)?;
            return Ok(Applied::Done);
        }
        // Somebody approved what it said at first.
        TokenStatus::Approved { enrolment: known, .. }
            if known.key_sha256 == enrolment.key_sha256 => {}
        other => return Err(taken(other)),
    }
    check_expiry(token, context)?;
    check_node(state, token, &enrolment.node)?;
    let asked_at = match &token.status {
        TokenStatus::Pending { enrolment: known } => known.asked_at,
        _ => enrolment.asked_at,
    };
    if let Some(token) = state.iam.tokens.get_mut(&id) {
        let enrolment = Box::new(Enrolment { asked_at, ..enrolment.clone() });
        token.status = TokenStatus::Pending { enrolment };
    }
    Ok(Applied::Done)
}

/// Lets in the joiner whose key was seen by the person who approves.
pub(super) fn approve(
    state: &mut State,
    context: &Context<'_>,
    id: TokenId,
    key_sha256: &str,
) -> Outcome {
    let Some(token) = state.iam.tokens.get(&id) else { return Err(nobody_waits(id)) };
    let enrolment = match &token.status {
        TokenStatus::Pending { enrolment } => enrolment.clone(),
        TokenStatus::Approved { enrolment, .. } if enrolment.key_sha256 == key_sha256 => {
            return Ok(Applied::Done);
        }
        _ => return Err(nobody_waits(id)),
    };
    if enrolment.key_sha256 != key_sha256 {
        return Err(Refusal::new(
            codes::REVISION_MISMATCH,
            format!("the joiner of enrolment {id} has another key than the one approved"),
        )
        .hint("look again: quorate enrolment list"));
    }
    check_expiry(token, context)?;
    check_node(state, token, &enrolment.node)?;
    if let Some(token) = state.iam.tokens.get_mut(&id) {
        let by = context.proposal.principal.clone();
        token.status = TokenStatus::Approved { enrolment, by, at: context.proposal.at };
    }
    Ok(Applied::Done)
}

/// Turns a joiner away, also one that was approved and has not come in yet.
pub(super) fn refuse(state: &mut State, context: &Context<'_>, id: TokenId) -> Outcome {
    let waits = state.iam.tokens.get(&id).is_some_and(|token| {
        matches!(token.status, TokenStatus::Pending { .. } | TokenStatus::Approved { .. })
    });
    if !waits {
        return Err(nobody_waits(id));
    }
    if let Some(token) = state.iam.tokens.get_mut(&id) {
        let by = context.proposal.principal.clone();
        token.status = TokenStatus::Refused { by, at: context.proposal.at };
    }
    Ok(Applied::Done)
}

fn check_expiry(token: &JoinToken, context: &Context<'_>) -> Result<(), Refusal> {
    if context.proposal.at >= token.expires_at {
        return Err(unusable(&format!("it expired at {}", token.expires_at)));
    }
    Ok(())
}

/// Whoever was approved in the token's last seconds still has time to come in.
fn check_approval(
    token: &JoinToken,
    approved_at: Timestamp,
    context: &Context<'_>,
) -> Result<(), Refusal> {
    let until = token.expires_at.max(approved_at.plus(APPROVAL_HOLDS));
    if context.proposal.at >= until {
        return Err(unusable(&format!("its approval expired at {until}")));
    }
    Ok(())
}

/// Whether the token may make this node.
fn check_node(state: &State, token: &JoinToken, node: &NewNode) -> Result<(), Refusal> {
    if node.roles != token.role.roles() {
        return Err(unusable(&format!("it is for the role `{}` only", token.role.as_str())));
    }
    if let Some((taken_by, _)) = state.metadata.node_named(&node.name) {
        return Err(Refusal::new(
            codes::NAME_TAKEN,
            format!("the name `{}` belongs to node {taken_by}", node.name),
        )
        .hint("choose another with --name"));
    }
    if let Some(operation) = state.metadata.promised(&node.name) {
        return Err(Refusal::new(
            codes::NAME_TAKEN,
            format!("the name `{}` is about to be given to another node", node.name),
        )
        .cause(format!("operation {} (`{}`)", operation.id, operation.plan.request.title()))
        .hint("choose another with --name"));
    }
    Ok(())
}

fn taken(status: &TokenStatus) -> Refusal {
    match status {
        TokenStatus::Unused => unusable("it is not used yet"),
        TokenStatus::Pending { .. } | TokenStatus::Approved { .. } => {
            unusable("another host asked with it first")
        }
        TokenStatus::Refused { by, .. } => unusable(&format!("{by} turned its bearer away")),
        TokenStatus::Used { node, .. } => {
            unusable(&format!("it was used already, for node {node}"))
        }
    }
}

fn pending(id: TokenId, token: &JoinToken) -> Refusal {
    Refusal::new(codes::ENROLMENT_PENDING, format!("the enrolment {id} waits for approval"))
        .cause(format!("the token lets nobody in unseen; it expires at {}", token.expires_at))
        .hint(format!("on a master, compare the key and: quorate enrolment approve {id}"))
}

fn nobody_waits(id: TokenId) -> Refusal {
    not_found(format!("enrolment {id} that waits"))
        .hint("those that wait are listed by: quorate enrolment list")
}

fn unusable(cause: &str) -> Refusal {
    Refusal::new(codes::JOIN_TOKEN_INVALID, "the join token is not usable")
        .cause(cause)
        .hint("make a new one on a master: quorate token create --role ROLE")
}
