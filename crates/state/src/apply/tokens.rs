//! Join tokens: made, revoked, and spent once.

use quorate_model::{NodeId, Refusal, TokenId, codes};

use super::{Context, key_of_another_request, nodes, not_found};
use crate::{Applied, JoinToken, KeyedRequest, NewNode, Outcome, State, TokenStatus};

/// How many tokens are kept, for people to look at and for joiners to repeat themselves.
const KEPT: usize = 1_000;

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
