//! The authority, identities on disk and join tokens, without a connection.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use proptest::prelude::*;
use quorate_keyring::{
    Keyring, KeyringError, RootKey,
    identity::{
        CaFingerprint, CertificateAuthority, CertificateNames, JoinToken, NodeIdentity, NodeKey,
        peer_node, secrets_match,
    },
};
use quorate_model::{ClusterId, NodeId, Refusal, Timestamp, TokenId, codes};
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

const CLUSTER: ClusterId = ClusterId::from_parts(1_700_000_000_000, 42);
const NOW: Timestamp = Timestamp(1_800_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn authority() -> CertificateAuthority {
    CertificateAuthority::create(CLUSTER, NOW).unwrap()
}

fn identity(ca: &CertificateAuthority, node: NodeId) -> NodeIdentity {
    let key = NodeKey::generate().unwrap();
    NodeIdentity {
        cluster: CLUSTER,
        node,
        cert_pem: ca.issue_node(node, &key.csr_pem().unwrap(), NOW, DAY).unwrap(),
        key_pem: key.key_pem(),
        ca_pem: ca.cert_pem().to_owned(),
    }
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

#[test]
fn a_nodes_certificate_says_which_node_and_for_how_long() {
    let ca = authority();
    let identity = identity(&ca, NodeId(7));
    let peer = peer_node(&[der(&identity.cert_pem)]).unwrap();
    assert_eq!((peer.cluster, peer.node), (CLUSTER, NodeId(7)));
    assert_eq!(identity.expires_at().unwrap(), NOW.plus(DAY));
    assert_eq!(identity.ca_fingerprint().unwrap(), ca.fingerprint());

    let leaf = der(&identity.cert_pem);
    let (_, parsed) = X509Certificate::from_der(&leaf).unwrap();
    let begins = parsed.validity().not_before.timestamp();
    assert_eq!(begins, 1_800_000_000 - 86_400, "the clocks of hosts differ, by hours at worst");
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && usage.client_auth && !usage.any);
    assert!(!parsed.is_ca());
    assert!(!format!("{:?}", parsed.subject()).contains("certificate request"));
}

#[test]
fn certificates_of_one_key_have_different_serial_numbers() {
    let ca = authority();
    let csr = NodeKey::generate().unwrap().csr_pem().unwrap();
    let serial = || {
        let leaf = der(&ca.issue_node(NodeId(7), &csr, NOW, DAY).unwrap());
        X509Certificate::from_der(&leaf).unwrap().1.raw_serial().to_vec()
    };
    let (first, second) = (serial(), serial());
    assert_ne!(first, second);
    assert!(first.len() == 16 && first[0] < 0x80, "positive, at most 20 octets");
}

#[test]
fn names_and_powers_in_a_request_are_ignored() {
    let ca = authority();
    let mut params = CertificateParams::new(vec!["n1.evil.quorate.internal".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let csr = params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap();

    let as_node = der(&ca.issue_node(NodeId(7), &csr, NOW, DAY).unwrap());
    assert_eq!(peer_node(std::slice::from_ref(&as_node)).unwrap().node, NodeId(7));
    let (_, parsed) = X509Certificate::from_der(&as_node).unwrap();
    assert!(!parsed.is_ca());
    assert!(!parsed.key_usage().unwrap().unwrap().value.key_cert_sign());
    assert!(!format!("{parsed:?}").contains("evil"));

    let names = CertificateNames { common_name: "a".to_owned(), names: vec!["b".to_owned()] };
    let as_component = der(&ca.issue_component(&names, &csr, NOW, DAY).unwrap().cert_pem);
    let (_, parsed) = X509Certificate::from_der(&as_component).unwrap();
    assert!(!parsed.is_ca());
    assert!(!format!("{parsed:?}").contains("evil"));
    assert!(peer_node(&[as_component]).is_err());
}

#[test]
fn a_request_is_refused_unless_it_proves_possession_of_a_p256_key() {
    let ca = authority();
    let good = NodeKey::generate().unwrap().csr_pem().unwrap();
    let mut broken_signature =
        rustls_pki_types::CertificateSigningRequestDer::from_pem_slice(good.as_bytes())
            .unwrap()
            .to_vec();
    *broken_signature.last_mut().unwrap() ^= 1;
    let broken_signature = pem("CERTIFICATE REQUEST", &broken_signature);
    let of = |algorithm| {
        let key = KeyPair::generate_for(algorithm).unwrap();
        CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap()
    };
    let cases = [
        ("nothing", String::new()),
        ("text", "hello".to_owned()),
        ("a certificate", ca.cert_pem().to_owned()),
        ("two requests", good.repeat(2)),
        ("a request and much more", format!("{good}{}", " ".repeat(20_000))),
        ("empty", pem("CERTIFICATE REQUEST", &[])),
        ("a broken signature", broken_signature),
        ("P-384", of(&rcgen::PKCS_ECDSA_P384_SHA384)),
        ("Ed25519", of(&rcgen::PKCS_ED25519)),
    ];
    for (what, csr) in cases {
        let error = ca.issue_node(NodeId(7), &csr, NOW, DAY).unwrap_err();
        assert_eq!(Refusal::from(&error).code, codes::REQUEST_MALFORMED, "{what}: {error}");
    }
    assert!(ca.issue_node(NodeId(7), &good, NOW, DAY).is_ok());
    assert!(ca.issue_node(NodeId(7), &good, NOW, Duration::MAX).is_err());
    assert!(ca.issue_node(NodeId(7), &good, Timestamp(u64::MAX), DAY).is_err());
}

fn pem(label: &str, bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(bytes))
}

#[test]
fn a_component_does_not_get_a_nodes_name() {
    let ca = authority();
    let csr = NodeKey::generate().unwrap().csr_pem().unwrap();
    let names = CertificateNames {
        common_name: "x".to_owned(),
        names: vec![format!("n7.{}.quorate.internal", CLUSTER.to_string().to_lowercase())],
    };
    let error = ca.issue_component(&names, &csr, NOW, DAY).unwrap_err();
    assert!(error.to_string().contains("reserved for nodes"), "{error}");
}

#[test]
fn a_sealed_authority_is_the_same_again_and_opens_for_its_cluster_only() {
    let root_key = RootKey::generate();
    let (keyring, stored) = Keyring::create(&root_key, CLUSTER).unwrap();
    let ca = authority();
    let sealed = ca.seal(&keyring);

    let reopened =
        CertificateAuthority::unseal(&Keyring::open(&root_key, &stored).unwrap(), &sealed).unwrap();
    assert_eq!(reopened.cluster(), CLUSTER);
    assert_eq!(reopened.cert_pem(), ca.cert_pem());
    assert_eq!(reopened.component_ca_pem(), ca.component_ca_pem());
    assert_eq!(reopened.fingerprint(), ca.fingerprint());
    // What either signs, the same root verifies.
    let leaf = der(&identity(&reopened, NodeId(3)).cert_pem);
    let root = der(ca.cert_pem());
    let (_, root) = X509Certificate::from_der(&root).unwrap();
    X509Certificate::from_der(&leaf).unwrap().1.verify_signature(Some(root.public_key())).unwrap();

    let (other, _) = Keyring::create(&root_key, ClusterId::from_parts(1, 1)).unwrap();
    assert!(CertificateAuthority::unseal(&other, &sealed).is_err());
    let mut altered = sealed;
    altered[60] ^= 1;
    assert!(CertificateAuthority::unseal(&keyring, &altered).is_err());
    assert!(!format!("{ca:?} {reopened:?}").contains("PRIVATE"));
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_identity_is_loaded_as_it_was_stored() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("identity/node");
    assert!(!NodeIdentity::exists(&folder));
    let ca = authority();
    for _ in ["enrolment", "renewal"] {
        let identity = identity(&ca, NodeId(7));
        identity.store(&folder).unwrap();
        let loaded = NodeIdentity::load(&folder).unwrap();
        assert_eq!(loaded.cert_pem, identity.cert_pem);
        assert_eq!(*loaded.key_pem, *identity.key_pem);
        assert_eq!(loaded.ca_pem, ca.cert_pem());
        assert_eq!((loaded.cluster, loaded.node), (CLUSTER, NodeId(7)));
        assert_eq!(files(&folder), ["ca.pem", "node.json", "node.key", "node.pem"]);
        assert!(!format!("{loaded:?}").contains("PRIVATE"));
    }
    assert!(NodeIdentity::exists(&folder));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.join("node.key")), 0o600);
    assert_eq!(mode(&folder), 0o700);
}

#[test]
fn a_renewal_cut_short_at_any_file_leaves_a_whole_identity() {
    let ca = authority();
    let (old, new) = (identity(&ca, NodeId(7)), identity(&ca, NodeId(7)));
    let write = |folder: &Path, file: &str, content: &str| {
        fs::write(folder.join(file), content).unwrap();
    };
    type CutShort<'a> = &'a dyn Fn(&Path);
    let cuts: [(CutShort<'_>, &NodeIdentity); 3] = [
        (&|folder| write(folder, "node.key.next", "half a k"), &old),
        (&|folder| write(folder, "node.key.next", &new.key_pem), &old),
        (
            &|folder| {
                write(folder, "node.key.next", &new.key_pem);
                write(folder, "node.pem", &new.cert_pem);
            },
            &new,
        ),
    ];
    for (cut_short, expected) in cuts {
        let folder = tempfile::tempdir().unwrap();
        old.store(folder.path()).unwrap();
        cut_short(folder.path());
        for _ in ["first load", "second load"] {
            let loaded = NodeIdentity::load(folder.path()).unwrap();
            assert_eq!(loaded.cert_pem, expected.cert_pem);
            assert_eq!(*loaded.key_pem, *expected.key_pem);
        }
        new.store(folder.path()).unwrap();
        assert_eq!(NodeIdentity::load(folder.path()).unwrap().cert_pem, new.cert_pem);
        assert_eq!(files(folder.path()).len(), 4);
    }
}

#[test]
fn a_damaged_identity_is_refused_with_the_reason() {
    let ca = authority();
    let stranger = identity(&authority(), NodeId(8));
    let newer = r#"{"version":2,"cluster":"01HF7YAT000000000000000016","node":7}"#;
    let cases: [(&str, &str, Option<&str>, quorate_model::Code); 6] = [
        ("another's key", "node.key", Some(&stranger.key_pem), codes::STORAGE_FAILED),
        ("another's certificate", "node.pem", Some(&stranger.cert_pem), codes::STORAGE_FAILED),
        ("an empty certificate", "node.pem", Some(""), codes::STORAGE_FAILED),
        ("no key", "node.key", None, codes::FILE_ACCESS),
        ("a torn record", "node.json", Some("{"), codes::STORAGE_FAILED),
        ("a newer record", "node.json", Some(newer), codes::FORMAT_TOO_NEW),
    ];
    for (what, file, content, code) in cases {
        let folder = tempfile::tempdir().unwrap();
        identity(&ca, NodeId(7)).store(folder.path()).unwrap();
        match content {
            Some(content) => fs::write(folder.path().join(file), content).unwrap(),
            None => fs::remove_file(folder.path().join(file)).unwrap(),
        }
        let error = NodeIdentity::load(folder.path()).unwrap_err();
        assert_eq!(Refusal::from(&error).code, code, "{what}: {error}");
        assert!(!format!("{error} {error:?}").contains("PRIVATE"));
    }
}

fn token(addresses: Vec<String>) -> JoinToken {
    let ca = CaFingerprint::of(&CertificateDer::from(vec![1, 2, 3]));
    JoinToken::new(CLUSTER, TokenId::from_parts(5, 6), ca, addresses)
}

#[test]
fn a_join_tokens_secret_is_known_by_its_hash_and_never_shown() {
    let token = token(vec!["10.0.0.1:9901".to_owned()]);
    let hash = token.secret_hash();
    assert!(secrets_match(&hash, token.secret.as_slice()));
    for wrong in [b"" as &[u8], &token.secret[..31], &[0; 32], &hash] {
        assert!(!secrets_match(&hash, wrong));
    }
    let shown = format!("{token:?}");
    assert!(shown.contains("10.0.0.1:9901") && !shown.contains("secret"), "{shown}");
    assert!(token.encode().starts_with("qjt1."));
}

#[test]
fn a_text_that_is_no_join_token_is_refused_with_a_hint() {
    let good = token(vec![]).encode();
    let long = format!("qjt1.{}", "A".repeat(20_000));
    for bad in ["", "qjt1.", "qjt1.AAAA", &good[1..], &good[..good.len() - 4], &long] {
        let error = JoinToken::parse(bad).unwrap_err();
        let refusal = Refusal::from(&error);
        assert_eq!(refusal.code, codes::JOIN_TOKEN_INVALID);
        assert!(refusal.hint.unwrap().contains("quorate token create"));
        assert!(matches!(error, KeyringError::JoinTokenMalformed { .. }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_join_token_is_read_as_it_was_written_and_a_wrong_character_noticed(
        addresses in proptest::collection::vec("[a-z0-9.:\\[\\]-]{1,40}", 0..6),
        position in any::<prop::sample::Index>(),
        replacement in "[A-Za-z0-9_-]",
    ) {
        let token = token(addresses);
        let text = token.encode();
        let parsed = JoinToken::parse(&format!("\n{text} ")).unwrap();
        prop_assert_eq!(parsed.cluster, token.cluster);
        prop_assert_eq!(parsed.id, token.id);
        prop_assert_eq!(*parsed.secret, *token.secret);
        prop_assert_eq!(parsed.ca, token.ca);
        prop_assert_eq!(parsed.addresses, token.addresses);

        let position = position.index(text.len());
        prop_assume!(text[position..=position] != replacement);
        let mut altered = text;
        altered.replace_range(position..=position, &replacement);
        prop_assert!(JoinToken::parse(&altered).is_err());
    }

    #[test]
    fn no_text_makes_the_token_parser_panic(text in "(qjt1\\.)?[A-Za-z0-9_-]{0,200}") {
        let _ = JoinToken::parse(&text);
    }
}
