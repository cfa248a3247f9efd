//! Who is who: the cluster's certificate authority, nodes' certificates and TLS, join tokens,
//! passwords and sessions.
//!
//! The authority holds two independent roots. *Nodes* are certified by the node root, and the
//! internal port trusts that one alone; *components* are certified by the component root. A
//! component's certificate can therefore never pass for a node, whatever names it carries. As a
//! second wall, a node is known by the URI `quorate://<cluster>/node/<number>` in its
//! certificate, and names below `quorate.internal` are refused to components.

mod authority;
mod certificate;
mod enrolment;
mod fingerprint;
mod join_token;
mod names;
mod node_identity;
mod node_key;
mod password;
mod peer;
mod reloadable;
mod request;
mod session_token;
mod tls;

pub use authority::{CertificateAuthority, ComponentCertificate};
pub use certificate::{certificate_end, certificate_lifetime};
pub use enrolment::{CapturedCa, enrolment_client_tls};
pub use fingerprint::{CaFingerprint, ParseFingerprintError};
pub use join_token::{JoinToken, secrets_match};
pub use names::{CertificateNames, server_name};
pub use node_identity::NodeIdentity;
pub use node_key::NodeKey;
pub use password::{hash_password, spend_password_check, verify_password};
pub use peer::{PeerIdentity, peer_node};
pub use reloadable::ReloadableIdentity;
pub use request::requested_key_sha256;
pub use session_token::{SessionToken, hash_session_token};
pub use tls::{client_tls, server_tls};
