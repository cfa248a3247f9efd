//! Letting nodes in: the joiner proves itself by a token, the cluster by its certificate.

use quorate_api::rest::{ApproveBody, EnrolmentView};
use quorate_keyring::identity::{CertificateAuthority, requested_key_sha256, secrets_match};
use quorate_model::{
    ClusterId, EnrolRole, Epoch, Generation, NodeId, NodeName, Refusal, RequestId, Timestamp,
    TokenId, codes, hex, spoken_digest,
};
use quorate_state::{Applied, Command, Enrolment, JoinToken, NewNode, State, TokenStatus};
use tracing::info;

use crate::{Control, Permission, Principal};

/// 2026-01-01T00:00:00Z: no true clock of a cluster says less. Not when the cluster was made, since
/// that may have been under a clock that was ahead.
const FIRST_RELEASE: Timestamp = Timestamp(1_767_225_600_000);

/// What a joiner learns before its token is spent.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The cluster.
    pub cluster: ClusterId,
    /// What the joiner becomes.
    pub role: EnrolRole,
    /// The sealed keyring, for a master; it opens only with the cluster's root key.
    pub sealed_keyring: Vec<u8>,
    /// What the joiner's binary must be able to read.
    pub feature_level: u32,
}

/// What a joiner asks to become.
#[derive(Debug, Clone)]
pub struct JoinRequest {
    /// The token.
    pub token: TokenId,
    /// Its secret.
    pub secret: Vec<u8>,
    /// A certificate request for the joiner's new key.
    pub csr_pem: String,
    /// The joiner's name.
    pub name: NodeName,
    /// The host or IP address others reach it at.
    pub address: String,
    /// `HOST:PORT` of its internal port, or empty.
    pub internal_addr: String,
    /// `HOST:PORT` of its admin port, or empty.
    pub admin_addr: String,
    /// The version of its binary.
    pub version: String,
    /// The newest feature level that binary reads; 0 when it did not say, which means 1.
    pub reads_level: u32,
}

/// What a joiner gets.
#[derive(Debug, Clone)]
pub struct Joined {
    /// Its id.
    pub node: NodeId,
    /// The cluster.
    pub cluster: ClusterId,
    /// Its certificate.
    pub cert_pem: String,
    /// The authority's certificate.
    pub ca_pem: String,
    /// The cluster's epoch.
    pub epoch: Epoch,
    /// Every master with its internal address.
    pub masters: Vec<(NodeId, String)>,
}

/// Checks a token without spending it.
///
/// # Errors
/// When the token is unknown, used, expired, or its secret wrong: all in the same words.
pub async fn prepare(
    control: &Control,
    token: TokenId,
    secret: &[u8],
) -> Result<Prepared, Refusal> {
    let state = control.linearized().await?;
    let known = check(state.iam.tokens.get(&token), secret)?;
    // Whoever finds an old token shall not get the keyring with it, not even sealed.
    let in_use = match &known.status {
        TokenStatus::Unused | TokenStatus::Pending { .. } => known.expires_at > control.now(),
        TokenStatus::Approved { .. } => true,
        TokenStatus::Refused { .. } | TokenStatus::Used { .. } => false,
    };
    if !in_use {
        return Err(unusable());
    }
    let sealed_keyring = if known.role.roles().master {
        control.shared.parts.sealed_keyring.to_bytes()
    } else {
        Vec::new()
    };
    Ok(Prepared {
        cluster: control.cluster(),
        role: known.role,
        sealed_keyring,
        feature_level: state.feature_level,
    })
}

/// Spends a token: the node exists from here on, under an id that was never used before.
///
/// # Errors
/// When the token is unusable or the name is taken; when the certificate request or an address is
/// malformed, and then the token stays unspent.
pub async fn join(control: &Control, request: JoinRequest) -> Result<Joined, Refusal> {
    let state = control.linearized().await?;
    let known = check(state.iam.tokens.get(&request.token), &request.secret)?;
    if request.reads_level.max(1) < state.feature_level {
        return Err(Refusal::new(
            codes::BINARY_TOO_OLD,
            format!("the cluster has feature level {}", state.feature_level),
        )
        .cause(format!("the joiner's binary reads up to {}", request.reads_level.max(1)))
        .hint("install the version that the masters run, then join again"));
    }
    // What would fail once the token is spent must fail before: this certificate is thrown away.
    sign_node(control, NodeId(0), &request.csr_pem)?;
    if known.role.roles().master {
        check_address("internal", &request.internal_addr)?;
        check_address("admin", &request.admin_addr)?;
    }
    // The key tells the same joiner from another bearer of the token; the request is signed by it.
    let key_sha256 = requested_key_sha256(&request.csr_pem).map_err(|error| malformed(&error))?;
    let key_sha256 = hex(&key_sha256);
    let node = NewNode {
        name: request.name,
        roles: known.role.roles(),
        address: request.address,
        internal_addr: request.internal_addr,
        admin_addr: request.admin_addr,
        version: request.version,
        obeyed: Generation(0),
        order_report: None,
        reads_level: request.reads_level,
    };
    let principal = format!("token:{}", request.token);
    if !known.auto_approve && !has_place(known, &key_sha256, &node) {
        let asked_at = control.now();
        let enrolment = Enrolment { key_sha256: key_sha256.clone(), node: node.clone(), asked_at };
        let command = Command::RequestEnrolment { token: request.token, enrolment };
        control.propose_as(principal.clone(), command).await?;
        info!(name = %node.name, token = %request.token, "an enrolment waits for approval");
    }
    // A joiner that asks again and again writes nothing.
    let state = control.linearized().await?;
    let known = check(state.iam.tokens.get(&request.token), &request.secret)?;
    if matches!(known.status, TokenStatus::Pending { .. })
        && known.expires_at > control.now()
        && has_place(known, &key_sha256, &node)
    {
        return Err(pending(request.token, known, &key_sha256));
    }
    let command = Command::Enrol { token: request.token, key_sha256, node };
    let applied = control.propose_as(principal, command).await?;
    let Applied::Node(id) = applied else {
        return Err(Refusal::new(codes::INTERNAL, "the enrolment gave no node id"));
    };
    let state = control.linearized().await?;
    let cert_pem = sign_node(control, id, &request.csr_pem)?;
    Ok(Joined {
        node: id,
        cluster: control.cluster(),
        cert_pem,
        ca_pem: state.kms.ca_cert_pem.clone(),
        epoch: state.epoch,
        masters: control.leader_hint().masters,
    })
}

/// Whether this joiner keeps the token already: it waits, was approved, or is in.
fn has_place(token: &JoinToken, key_sha256: &str, node: &NewNode) -> bool {
    match &token.status {
        TokenStatus::Pending { enrolment } | TokenStatus::Approved { enrolment, .. } => {
            enrolment.key_sha256 == key_sha256 && enrolment.node == *node
        }
        TokenStatus::Used { .. } => true,
        TokenStatus::Unused | TokenStatus::Refused { .. } => false,
    }
}

fn pending(id: TokenId, token: &JoinToken, key_sha256: &str) -> Refusal {
    let key = spoken_digest(key_sha256);
    Refusal::new(codes::ENROLMENT_PENDING, format!("the enrolment {id} waits for approval"))
        .cause(format!(
            "the token lets nobody in unseen, and expires at {}; the key is {key}",
            token.expires_at
        ))
        .hint(format!("on a master, compare the key and: quorate enrolment approve {id}"))
}

/// The joiners that wait or were approved and have not come in yet.
///
/// # Errors
/// When the principal may not see them.
pub fn list(control: &Control, principal: &Principal) -> Result<Vec<EnrolmentView>, Refusal> {
    principal.require(Permission::Administer)?;
    let (state, now) = (control.state(), control.now());
    Ok(state.iam.tokens.iter().filter_map(|(id, token)| view(*id, token, now)).collect())
}

/// How many joiners wait for approval.
pub(crate) fn waiting(state: &State, now: Timestamp) -> usize {
    let waits = |token: &&JoinToken| {
        matches!(token.status, TokenStatus::Pending { .. }) && token.expires_at > now
    };
    state.iam.tokens.values().filter(waits).count()
}

/// Lets in the joiner whose key was compared.
///
/// # Errors
/// When nobody waits under that id, or with another key.
pub async fn approve(
    control: &Control,
    principal: &Principal,
    id: &str,
    body: &ApproveBody,
    request_id: Option<RequestId>,
) -> Result<(), Refusal> {
    principal.require(Permission::Administer)?;
    let token = parse_id(id)?;
    let command = Command::ApproveEnrolment { token, key_sha256: body.key_sha256.clone() };
    control.change(principal, Permission::Administer, request_id, command).await.map(|_| ())
}

/// Turns a joiner away; its token is of no use any more.
///
/// # Errors
/// When nobody waits under that id.
pub async fn refuse(
    control: &Control,
    principal: &Principal,
    id: &str,
    request_id: Option<RequestId>,
) -> Result<(), Refusal> {
    principal.require(Permission::Administer)?;
    let command = Command::RefuseEnrolment { token: parse_id(id)? };
    control.change(principal, Permission::Administer, request_id, command).await.map(|_| ())
}

fn parse_id(id: &str) -> Result<TokenId, Refusal> {
    id.parse().map_err(|error: quorate_model::ParseIdError| {
        Refusal::new(codes::REQUEST_MALFORMED, error.to_string())
    })
}

fn view(id: TokenId, token: &JoinToken, now: Timestamp) -> Option<EnrolmentView> {
    let (enrolment, status) = match &token.status {
        TokenStatus::Pending { enrolment } if token.expires_at > now => {
            (enrolment, "waits".to_owned())
        }
        TokenStatus::Approved { enrolment, by, .. } => (enrolment, format!("approved by {by}")),
        _ => return None,
    };
    let node = &enrolment.node;
    Some(EnrolmentView {
        id: id.to_string(),
        name: node.name.to_string(),
        role: token.role.as_str().to_owned(),
        fingerprint: spoken_digest(&enrolment.key_sha256),
        key_sha256: enrolment.key_sha256.clone(),
        address: node.address.clone(),
        internal_addr: node.internal_addr.clone(),
        version: node.version.clone(),
        asked_at: enrolment.asked_at.to_string(),
        expires_at: token.expires_at.to_string(),
        token_by: token.created_by.clone(),
        status,
    })
}

fn malformed(error: &quorate_keyring::KeyringError) -> Refusal {
    Refusal::new(codes::REQUEST_MALFORMED, "the certificate request is not usable")
        .cause(error.to_string())
}

fn check<'a>(token: Option<&'a JoinToken>, secret: &[u8]) -> Result<&'a JoinToken, Refusal> {
    let token = token.ok_or_else(unusable)?;
    let hash = parse_hex32(&token.secret_sha256).ok_or_else(unusable)?;
    if secrets_match(&hash, secret) { Ok(token) } else { Err(unusable()) }
}

/// Whether others can dial this: a host or address, and a port that is not 0.
pub(crate) fn check_address(what: &str, addr: &str) -> Result<(), Refusal> {
    let whole = addr.rsplit_once(':').is_some_and(|(host, port)| {
        let bracketed = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
        let plain = !host.is_empty() && !host.contains([':', '[', ']', '/', ' ']);
        (bracketed || plain) && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    if whole {
        return Ok(());
    }
    Err(Refusal::new(
        codes::REQUEST_MALFORMED,
        format!("`{addr}` is not the HOST:PORT of an {what} port"),
    )
    .hint("give the joining master an address that the other masters can dial"))
}

fn unusable() -> Refusal {
    Refusal::new(codes::JOIN_TOKEN_INVALID, "the join token is not usable")
        .cause("it is unknown here, was used, was revoked, or has expired")
        .hint("make a new one on a master: quorate token create --role ROLE")
}

fn parse_hex32(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Signs a node's own key.
pub(crate) fn sign_node(control: &Control, node: NodeId, csr_pem: &str) -> Result<String, Refusal> {
    let authority = signing_authority(control)?;
    authority
        .issue_node(node, csr_pem, control.now(), control.shared.parts.options.certificate_lifetime)
        .map_err(|error| malformed(&error))
}

/// The cluster's authority, to sign by the present clock. One that was reset, as to 1970, would sign
/// what ends before anybody has it.
pub(crate) fn signing_authority(control: &Control) -> Result<CertificateAuthority, Refusal> {
    let now = control.now();
    if now < FIRST_RELEASE {
        return Err(Refusal::new(
            codes::CLOCK_RESET,
            "certificates are not signed while the clock of this master is wrong",
        )
        .cause(format!("it says {now}, before there was any Quorate"))
        .hint("set the clock of its host: chronyc makestep, or timedatectl set-ntp true"));
    }
    authority(control)
}

/// The cluster's authority, opened for one use.
pub(crate) fn authority(control: &Control) -> Result<CertificateAuthority, Refusal> {
    let state = control.state();
    CertificateAuthority::unseal(&control.shared.parts.keyring, &state.kms.sealed_ca).map_err(
        |error| {
            Refusal::new(codes::INTERNAL, "the cluster's authority cannot be opened")
                .cause(error.to_string())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masters_address_is_a_host_and_a_port_others_can_dial() {
        for good in ["m1:7000", "10.0.0.1:7000", "[::1]:7000", "m1.example.org:1"] {
            assert_eq!(check_address("admin", good), Ok(()), "{good}");
        }
        for bad in ["", "m1", ":7000", "m1:", "m1:0", "m1:70000", "::1:7000", "http://m1:1", "[]:1"]
        {
            assert!(check_address("admin", bad).is_err(), "{bad}");
        }
    }
}
