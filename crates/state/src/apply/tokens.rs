//! Join tokens: made, revoked, and spent once.

use std::time::Duration;

use quorate_model::{NodeId, Refusal, Timestamp, TokenId, codes};

use super::{Context, nodes, not_found};
use crate::{Applied, JoinToken, NewNode, Outcome, State, TokenStatus};

/// How long a token is kept after its expiry, for people to look at.
const KEPT_AFTER_EXPIRY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

pub(super) fn create(
    state: &mut State,
    context: &Context<'_>,
    id: TokenId,
    token: &JoinToken,
) -> Outcome {
    if state.iam.tokens.contains_key(&id) {
        return Err(Refusal::new(codes::NAME_TAKEN, format!("the token {id} exists already")));
    }
    forget_expired(state, context.proposal.at);
    state.iam.tokens.insert(id, token.clone());
    Ok(Applied::Done)
}

/// Tokens that expired long ago are dropped whenever one is made, so they never pile up.
fn forget_expired(state: &mut State, now: Timestamp) {
    let expired: Vec<TokenId> = state
        .iam
        .tokens
        .iter()
        .filter(|(_, token)| now.since(token.expires_at) > KEPT_AFTER_EXPIRY)
        .map(|(id, _)| *id)
        .collect();
    for id in expired {
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
        TokenStatus::Used { node, .. } => {
            return Err(unusable(&format!("it was used already, for node {node}")));
        }
        TokenStatus::Unused => {}
    }
    if context.proposal.at >= token.expires_at {
        return Err(unusable(&format!("it expired at {}", token.expires_at)));
    }
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
    let new_id = NodeId(state.metadata.last_node_id.0 + 1);
    nodes::insert(state, new_id, node, context);
    if let Some(token) = state.iam.tokens.get_mut(&id) {
        token.status = TokenStatus::Used { node: new_id, key_sha256: key_sha256.to_owned() };
    }
    Ok(Applied::Node(new_id))
}

fn unusable(cause: &str) -> Refusal {
    Refusal::new(codes::JOIN_TOKEN_INVALID, "the join token is not usable")
        .cause(cause)
        .hint("make a new one on a master: quorate token create --role ROLE")
}
