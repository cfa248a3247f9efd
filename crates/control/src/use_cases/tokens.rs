//! Join tokens.

use std::time::Duration;

use quorate_api::rest::{CreateTokenBody, TokenCreated, TokenView};
use quorate_keyring::identity::JoinToken as TokenText;
use quorate_model::{EnrolRole, Refusal, Timestamp, codes};
use quorate_state::{Command, JoinToken, TokenStatus};

use super::{access::hex, enrolment::authority};
use crate::{Control, Permission, Principal};

/// The longest life of a join token.
const LONGEST_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Makes a token; its text is returned this once and kept nowhere.
///
/// # Errors
/// When the role or the lifetime makes no sense.
pub async fn create(
    control: &Control,
    principal: &Principal,
    body: &CreateTokenBody,
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
    let ca = authority(control)?.fingerprint();
    let id = control.new_token_id();
    let addresses = control.leader_hint().masters.into_iter().map(|(_, addr)| addr).collect();
    let text = TokenText::new(control.cluster(), id, ca, addresses);
    let expires_at = control.now().plus(ttl);
    let token = JoinToken {
        secret_sha256: hex(&text.secret_hash()),
        role,
        expires_at,
        created_by: principal.audit_name(),
        status: TokenStatus::Unused,
    };
    let command = Command::CreateToken { id, token };
    control.change(principal, Permission::Administer, None, command).await?;
    Ok(TokenCreated {
        id: id.to_string(),
        token: text.encode(),
        expires_at: expires_at.to_string(),
    })
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
            status: status_words(token, now),
        })
        .collect())
}

/// Makes a token unusable.
///
/// # Errors
/// When there is no such token.
pub async fn revoke(control: &Control, principal: &Principal, id: &str) -> Result<(), Refusal> {
    let id = id.parse().map_err(|error: quorate_model::ParseIdError| {
        Refusal::new(codes::REQUEST_MALFORMED, error.to_string())
    })?;
    let command = Command::RevokeToken { id };
    control.change(principal, Permission::Administer, None, command).await.map(|_| ())
}

fn status_words(token: &JoinToken, now: Timestamp) -> String {
    match &token.status {
        TokenStatus::Used { node, .. } => format!("used by {node}"),
        TokenStatus::Unused if token.expires_at <= now => "expired".to_owned(),
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
