//! Join tokens.

use std::time::Duration;

use quorate_api::rest::{CreateTokenBody, TokenCreated, TokenView};
use quorate_keyring::identity::JoinToken as TokenText;
use quorate_model::{EnrolRole, Refusal, RequestId, Timestamp, TokenId, codes, hex};
use quorate_state::{Applied, Command, JoinToken, KeyedRequest, State, TokenStatus};
use sha2::{Digest, Sha256};

use super::enrolment::authority;
use crate::{Control, Permission, Principal};

/// The longest life of a join token.
const LONGEST_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Makes a token; its text is returned and kept nowhere. With a key, a repeat is answered with the
/// same text for as long as the token is listed: its secret is derived from the authority's key
/// and the token's id, which only a master can do.
///
/// # Errors
/// When the role or the lifetime makes no sense; when the key stands for another token.
pub async fn create(
    control: &Control,
    principal: &Principal,
    body: &CreateTokenBody,
    request_id: Option<RequestId>,
) -> Result<TokenCreated, Refusal> {
    principal.require(Permission::Administer)?;
    let role = parse_role(&body.role)?;
    let ttl = Duration::from_millis(body.ttl_ms);
    if ttl.is_zero() || ttl > LONGEST_TTL {
        return Err(Refusal::new(
            codes::REQUEST_MALFORMED,
            "a join token lives longer than nothing and at most a week",
        )
        .hint("give --ttl, such as 15m"));
    }
    control.linearized().await?;
    let id = control.new_token_id();
    let request = request_id.map(|key| KeyedRequest { key, request_sha256: digest(body) });
    let text = token_text(control, id, request.is_some())?;
    let token = JoinToken {
        secret_sha256: hex(&text.secret_hash()),
        role,
        expires_at: control.now().plus(ttl),
        created_by: principal.audit_name(),
        auto_approve: body.auto_approve,
        status: TokenStatus::Unused,
        request,
    };
    let command = Command::CreateToken { id, token: token.clone() };
    let applied = control.change(principal, Permission::Administer, None, command).await?;
    match applied {
        Applied::Token(known) if known != id => answered_before(control, known).await,
        _ => Ok(created(&text, &token)),
    }
}

/// The answer to a repeated request: the token that the first one made.
async fn answered_before(control: &Control, id: TokenId) -> Result<TokenCreated, Refusal> {
    let state = control.linearized().await?;
    let text = token_text(control, id, true)?;
    match state.iam.tokens.get(&id) {
        Some(token) if token.secret_sha256 == hex(&text.secret_hash()) => Ok(created(&text, token)),
        _ => Err(Refusal::new(
            codes::NOT_FOUND,
            format!("the token {id} that this key made cannot be shown again"),
        )
        .cause("it was revoked, or made under another authority")
        .hint("make a new one with a new key")),
    }
}

/// The token as its bearer gets it, with a secret that can be derived again or with a random one.
fn token_text(control: &Control, id: TokenId, repeatable: bool) -> Result<TokenText, Refusal> {
    let authority = authority(control)?;
    let addresses = control.leader_hint().masters.into_iter().map(|(_, addr)| addr).collect();
    let mut text = TokenText::new(control.cluster(), id, authority.fingerprint(), addresses);
    if repeatable {
        text.secret = authority.token_secret(id).map_err(|error| Refusal::from(&error))?;
    }
    Ok(text)
}

fn created(text: &TokenText, token: &JoinToken) -> TokenCreated {
    TokenCreated {
        id: text.id.to_string(),
        token: text.encode(),
        expires_at: token.expires_at.to_string(),
    }
}

/// What was asked for, so that a key cannot stand for two different things.
fn digest(body: &CreateTokenBody) -> String {
    hex(&Sha256::digest(serde_json::to_vec(body).unwrap_or_default()))
}

/// All tokens, without their secrets.
///
/// # Errors
/// When the principal may not see them.
pub fn list(control: &Control, principal: &Principal) -> Result<Vec<TokenView>, Refusal> {
    principal.require(Permission::Administer)?;
    let now = control.now();
    let state = control.state();
    Ok(state
        .iam
        .tokens
        .iter()
        .map(|(id, token)| TokenView {
            id: id.to_string(),
            role: token.role.as_str().to_owned(),
            expires_at: token.expires_at.to_string(),
            created_by: token.created_by.clone(),
            status: status_words(&state, token, now),
            auto_approve: token.auto_approve,
        })
        .collect())
}

/// Makes a token unusable.
///
/// # Errors
/// When there is no such token.
pub async fn revoke(
    control: &Control,
    principal: &Principal,
    id: &str,
    request_id: Option<RequestId>,
) -> Result<(), Refusal> {
    let id = id.parse().map_err(|error: quorate_model::ParseIdError| {
        Refusal::new(codes::REQUEST_MALFORMED, error.to_string())
    })?;
    let command = Command::RevokeToken { id };
    control.change(principal, Permission::Administer, request_id, command).await.map(|_| ())
}

fn status_words(state: &State, token: &JoinToken, now: Timestamp) -> String {
    match &token.status {
        TokenStatus::Used { node, .. } => {
            let known = state.metadata.nodes.get(node);
            let name = known.map_or_else(|| node.to_string(), |known| known.name.to_string());
            format!("used by {name}")
        }
        TokenStatus::Refused { by, .. } => format!("refused by {by}"),
        TokenStatus::Approved { enrolment, .. } => format!("approved for {}", enrolment.node.name),
        _ if token.expires_at <= now => "expired".to_owned(),
        TokenStatus::Pending { enrolment } => {
            format!("{} waits for approval", enrolment.node.name)
        }
        TokenStatus::Unused => "unused".to_owned(),
    }
}

fn parse_role(text: &str) -> Result<EnrolRole, Refusal> {
    [EnrolRole::Master, EnrolRole::NodeManager, EnrolRole::Both]
        .into_iter()
        .find(|role| role.as_str() == text)
        .ok_or_else(|| {
            Refusal::new(codes::REQUEST_MALFORMED, format!("`{text}` is not a role"))
                .hint("the roles are: master, node-manager, both")
        })
}
