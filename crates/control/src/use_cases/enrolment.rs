//! Letting nodes in: the joiner proves itself by a token, the cluster by its certificate.

use quorate_keyring::identity::{CertificateAuthority, secrets_match};
use quorate_model::{
    ClusterId, EnrolRole, Epoch, Generation, NodeId, NodeName, Refusal, TokenId, codes, hex,
};
use quorate_state::{Applied, Command, JoinToken, NewNode, TokenStatus};

use sha2::{Digest, Sha256};

use crate::Control;

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
    if known.status != TokenStatus::Unused || known.expires_at <= control.now() {
        return Err(unusable());
    }
    let sealed_keyring = if known.role.roles().master {
        control.parts.sealed_keyring.to_bytes()
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
    // What would fail once the token is spent must fail before: this certificate is thrown away.
    sign_node(control, NodeId(0), &request.csr_pem)?;
    if known.role.roles().master {
        check_address("internal", &request.internal_addr)?;
        check_address("admin", &request.admin_addr)?;
    }
    // The request is signed by the joiner's key and made once by the joiner, so its digest tells
    // the same joiner from another bearer of the token.
    let key_sha256 = hex(&Sha256::digest(request.csr_pem.as_bytes()));
    let node = NewNode {
        name: request.name,
        roles: known.role.roles(),
        address: request.address,
        internal_addr: request.internal_addr,
        admin_addr: request.admin_addr,
        version: request.version,
        obeyed: Generation(0),
    };
    let principal = format!("token:{}", request.token);
    let command = Command::Enrol { token: request.token, key_sha256, node };
    let applied = control.propose_as(principal, None, command).await?;
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

fn check<'a>(token: Option<&'a JoinToken>, secret: &[u8]) -> Result<&'a JoinToken, Refusal> {
    let token = token.ok_or_else(unusable)?;
    let hash = parse_hex32(&token.secret_sha256).ok_or_else(unusable)?;
    if secrets_match(&hash, secret) { Ok(token) } else { Err(unusable()) }
}

/// Whether others can dial this: a host or address, and a port that is not 0.
fn check_address(what: &str, addr: &str) -> Result<(), Refusal> {
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
    let authority = authority(control)?;
    authority
        .issue_node(node, csr_pem, control.now(), control.parts.options.certificate_lifetime)
        .map_err(|error| {
            Refusal::new(codes::REQUEST_MALFORMED, "the certificate request is not usable")
                .cause(error.to_string())
        })
}

/// The cluster's authority, opened for one use.
pub(crate) fn authority(control: &Control) -> Result<CertificateAuthority, Refusal> {
    let state = control.state();
    CertificateAuthority::unseal(&control.parts.keyring, &state.kms.sealed_ca).map_err(|error| {
        Refusal::new(codes::INTERNAL, "the cluster's authority cannot be opened")
            .cause(error.to_string())
    })
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
