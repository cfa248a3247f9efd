//! Handshakes in memory: who is let in, as whom, and who is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use quorate_keyring::{
    KeyringError,
    identity::{
        self, CaFingerprint, CapturedCa, CertificateAuthority, CertificateNames, NodeIdentity,
        NodeKey, PeerIdentity, ReloadableIdentity, peer_node, server_name,
    },
};
use quorate_model::{Clock, ClusterId, ManualClock, NodeId, Timestamp, codes};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject};

const CLUSTER: ClusterId = ClusterId::from_parts(1_700_000_000_000, 42);
const OTHER_CLUSTER: ClusterId = ClusterId::from_parts(1_700_000_000_000, 43);
const DAY: Duration = Duration::from_secs(86_400);

fn now() -> Timestamp {
    Timestamp(UnixTime::now().as_secs() * 1000)
}

/// A clock that is so many hours ahead of the true one.
fn clock_ahead(hours: f64) -> Arc<dyn Clock> {
    Arc::new(ManualClock::new(moment_ahead(hours)))
}

#[expect(clippy::cast_possible_truncation, reason = "a few days in milliseconds")]
fn moment_ahead(hours: f64) -> Timestamp {
    Timestamp(now().0.saturating_add_signed((hours * 3_600_000.0) as i64))
}

fn server_tls(identity: &Arc<ReloadableIdentity>) -> Result<Arc<ServerConfig>, KeyringError> {
    identity::server_tls(identity, &clock_ahead(0.0))
}

fn client_tls(identity: &Arc<ReloadableIdentity>) -> Result<Arc<ClientConfig>, KeyringError> {
    identity::client_tls(identity, &clock_ahead(0.0))
}

fn enrolment_client_tls(
    pin: CaFingerprint,
    cluster: ClusterId,
) -> Result<(Arc<ClientConfig>, CapturedCa), KeyringError> {
    identity::enrolment_client_tls(pin, cluster, &clock_ahead(0.0))
}

fn authority(cluster: ClusterId) -> CertificateAuthority {
    CertificateAuthority::create(cluster, now()).unwrap()
}

fn identity_at(ca: &CertificateAuthority, node: NodeId, at: Timestamp) -> NodeIdentity {
    let key = NodeKey::generate().unwrap();
    NodeIdentity {
        cluster: ca.cluster(),
        node,
        cert_pem: ca.issue_node(node, &key.csr_pem().unwrap(), at, DAY).unwrap(),
        key_pem: key.key_pem(),
        ca_pem: ca.cert_pem().to_owned(),
    }
}

fn node(ca: &CertificateAuthority, number: u64) -> Arc<ReloadableIdentity> {
    ReloadableIdentity::new(identity_at(ca, NodeId(number), now())).unwrap()
}

/// A client that trusts the cluster's nodes and presents what it is told to.
fn client_presenting(
    ca: &CertificateAuthority,
    chain: &[&str],
    key_pem: &str,
) -> Arc<ClientConfig> {
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(der(ca.cert_pem())).unwrap();
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
    let mut config = if chain.is_empty() {
        builder.with_no_client_auth()
    } else {
        let chain = chain.iter().map(|pem| der(pem)).collect();
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap();
        builder.with_client_auth_cert(chain, key).unwrap()
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// Runs a handshake to its end; the error is the one of the side that refused.
fn shake(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: ServerName<'static>,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let mut client = ClientConnection::new(client, name)?;
    let mut server = ServerConnection::new(server)?;
    let mut wire = Vec::new();
    while client.is_handshaking()
        || server.is_handshaking()
        || client.wants_write()
        || server.wants_write()
    {
        wire.clear();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

fn peer(certs: Option<&[CertificateDer<'_>]>) -> Option<PeerIdentity> {
    certs.map(|certs| peer_node(certs).unwrap())
}

fn is(cluster: ClusterId, number: u64) -> Option<PeerIdentity> {
    Some(PeerIdentity { cluster, node: NodeId(number) })
}

#[test]
fn two_nodes_know_each_other_and_speak_http_2_over_tls_1_3() {
    let ca = authority(CLUSTER);
    let (caller, listener) = (node(&ca, 1), node(&ca, 7));
    let (client, server) = shake(
        client_tls(&caller).unwrap(),
        server_tls(&listener).unwrap(),
        server_name(CLUSTER, NodeId(7)),
    )
    .unwrap();
    assert_eq!(peer(client.peer_certificates()), is(CLUSTER, 7));
    assert_eq!(peer(server.peer_certificates()), is(CLUSTER, 1));
    assert_eq!(client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(server.alpn_protocol(), Some(b"h2".as_slice()));
    assert_eq!(server.peer_certificates().unwrap().len(), 2, "leaf and root are presented");
}

#[test]
fn a_client_without_a_certificate_is_let_in_as_nobody() {
    let ca = authority(CLUSTER);
    let (_, server) = shake(
        client_presenting(&ca, &[], ""),
        server_tls(&node(&ca, 7)).unwrap(),
        server_name(CLUSTER, NodeId(7)),
    )
    .unwrap();
    assert!(server.peer_certificates().is_none());
    assert!(peer_node(&[]).is_err());
}

#[test]
fn a_node_that_is_not_the_one_asked_for_is_refused() {
    let ca = authority(CLUSTER);
    let server = server_tls(&node(&ca, 7)).unwrap();
    for name in [server_name(CLUSTER, NodeId(8)), server_name(OTHER_CLUSTER, NodeId(7))] {
        let refused = shake(client_tls(&node(&ca, 1)).unwrap(), Arc::clone(&server), name);
        assert!(refused.is_err());
    }
}

#[test]
fn a_node_of_another_cluster_is_refused_by_both_sides() {
    let (ours, theirs) = (authority(CLUSTER), authority(OTHER_CLUSTER));
    let stranger = node(&theirs, 7);
    // As the listener.
    let refused = shake(
        client_tls(&node(&ours, 1)).unwrap(),
        server_tls(&stranger).unwrap(),
        server_name(CLUSTER, NodeId(7)),
    );
    assert!(refused.is_err());
    // As the caller, even one that accepts our listener.
    let presented = stranger.current();
    let client =
        client_presenting(&ours, &[&presented.cert_pem, &presented.ca_pem], &presented.key_pem);
    let refused =
        shake(client, server_tls(&node(&ours, 7)).unwrap(), server_name(CLUSTER, NodeId(7)));
    assert!(refused.is_err());
    // The same with an authority that gave itself our cluster's id.
    let impostor = node(&authority(CLUSTER), 1).current();
    let client =
        client_presenting(&ours, &[&impostor.cert_pem, &impostor.ca_pem], &impostor.key_pem);
    let refused =
        shake(client, server_tls(&node(&ours, 7)).unwrap(), server_name(CLUSTER, NodeId(7)));
    assert!(refused.is_err());
}

#[test]
fn a_components_certificate_is_refused_as_a_nodes() {
    let ca = authority(CLUSTER);
    let key = NodeKey::generate().unwrap();
    let names = CertificateNames {
        common_name: "orders-1".to_owned(),
        names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
    };
    let component = ca.issue_component(&names, &key.csr_pem().unwrap(), now(), DAY).unwrap();
    assert_ne!(component.ca_pem, ca.cert_pem());
    for chain in [
        vec![component.cert_pem.as_str()],
        vec![component.cert_pem.as_str(), component.ca_pem.as_str()],
        vec![component.cert_pem.as_str(), ca.cert_pem()],
    ] {
        let client = client_presenting(&ca, &chain, &key.key_pem());
        let server = server_tls(&node(&ca, 7)).unwrap();
        assert!(shake(client, server, server_name(CLUSTER, NodeId(7))).is_err());
    }
    // The second wall: its names are not a node's either.
    let leaf = CertificateDer::from_pem_slice(component.cert_pem.as_bytes()).unwrap();
    assert!(peer_node(&[leaf]).is_err());
    // And it cannot be stored as an identity.
    let folder = tempfile::tempdir().unwrap();
    let forged = NodeIdentity {
        cluster: CLUSTER,
        node: NodeId(7),
        cert_pem: component.cert_pem,
        key_pem: key.key_pem(),
        ca_pem: ca.cert_pem().to_owned(),
    };
    assert!(forged.store(folder.path()).is_err());
}

#[test]
fn an_expired_certificate_is_refused_by_both_sides() {
    let ca = authority(CLUSTER);
    let week_ago = Timestamp(now().0 - 7 * 86_400_000);
    let expired = ReloadableIdentity::new(identity_at(&ca, NodeId(7), week_ago)).unwrap();
    assert!(expired.current().expires_at().unwrap() < now());
    let name = server_name(CLUSTER, NodeId(7));
    let as_listener =
        shake(client_tls(&node(&ca, 1)).unwrap(), server_tls(&expired).unwrap(), name.clone());
    assert!(as_listener.is_err());
    let as_caller = shake(client_tls(&expired).unwrap(), server_tls(&node(&ca, 7)).unwrap(), name);
    assert!(as_caller.is_err());
}

#[test]
fn a_fresh_certificate_is_accepted_by_a_clock_that_is_hours_slow_or_fast() {
    // The clock of the master that signs, and that of its peer, in hours ahead of the true one.
    for (signer, peer_clock) in [(0.0, -1.5), (1.0, -1.0), (0.0, 1.5), (-1.0, 1.0), (0.0, -23.0)] {
        let at = moment_ahead(signer);
        let ca = CertificateAuthority::create(CLUSTER, at).unwrap();
        let fresh = ReloadableIdentity::new(identity_at(&ca, NodeId(7), at)).unwrap();
        let other = node(&ca, 1);
        let clock = clock_ahead(peer_clock);
        let name = server_name(CLUSTER, NodeId(7));
        let what = format!("signed {signer} h ahead, judged {peer_clock} h ahead");

        let caller = identity::client_tls(&other, &clock).unwrap();
        let listener = identity::server_tls(&fresh, &clock_ahead(signer)).unwrap();
        shake(caller, listener, name).expect(&what);

        let caller = identity::client_tls(&fresh, &clock_ahead(signer)).unwrap();
        let listener = identity::server_tls(&other, &clock).unwrap();
        shake(caller, listener, server_name(CLUSTER, NodeId(1))).expect(&what);

        let (joiner, _) =
            identity::enrolment_client_tls(ca.fingerprint(), CLUSTER, &clock).unwrap();
        let listener = identity::server_tls(&fresh, &clock_ahead(signer)).unwrap();
        shake(joiner, listener, ServerName::try_from("10.0.0.1").unwrap()).expect(&what);
    }
}

#[test]
fn certificates_are_judged_by_the_nodes_own_clock() {
    let ca = authority(CLUSTER);
    let (ours, theirs) = (node(&ca, 1), node(&ca, 7));
    // They are valid for a day, and were so for a day before.
    for hours in [-25.0, 25.0] {
        let wrong = clock_ahead(hours);
        let name = server_name(CLUSTER, NodeId(7));
        let caller = identity::client_tls(&ours, &wrong).unwrap();
        assert!(shake(caller, server_tls(&theirs).unwrap(), name.clone()).is_err(), "{hours}");
        let listener = identity::server_tls(&theirs, &wrong).unwrap();
        assert!(shake(client_tls(&ours).unwrap(), listener, name).is_err(), "{hours}");
        let (joiner, captured) =
            identity::enrolment_client_tls(ca.fingerprint(), CLUSTER, &wrong).unwrap();
        let any_name = ServerName::try_from("10.0.0.1").unwrap();
        assert!(shake(joiner, server_tls(&theirs).unwrap(), any_name).is_err(), "{hours}");
        assert!(captured.refusal().unwrap().cause.unwrap().contains("clocks"), "{hours}");
    }
}

#[test]
fn a_renewed_certificate_is_presented_by_the_next_handshake_on_both_sides() {
    let ca = authority(CLUSTER);
    let (caller, listener) = (node(&ca, 1), node(&ca, 7));
    let (client, server) = (client_tls(&caller).unwrap(), server_tls(&listener).unwrap());
    let handshake = || {
        let (client, server) =
            shake(Arc::clone(&client), Arc::clone(&server), server_name(CLUSTER, NodeId(7)))
                .unwrap();
        assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full), "nothing is resumed");
        let leaf = |certs: Option<&[CertificateDer<'_>]>| certs.unwrap()[0].to_vec();
        (leaf(client.peer_certificates()), leaf(server.peer_certificates()))
    };
    let before = handshake();
    assert_eq!(handshake(), before);

    listener.reload(identity_at(&ca, NodeId(7), now())).unwrap();
    caller.reload(identity_at(&ca, NodeId(1), now())).unwrap();
    let after = handshake();
    assert_ne!(before.0, after.0);
    assert_ne!(before.1, after.1);

    for wrong in [
        identity_at(&ca, NodeId(8), now()),
        identity_at(&authority(CLUSTER), NodeId(7), now()),
        identity_at(&authority(OTHER_CLUSTER), NodeId(7), now()),
    ] {
        assert!(listener.reload(wrong).is_err());
    }
    assert_eq!(handshake(), after, "a refused reload changes nothing");
}

fn enrol(
    pin: CaFingerprint,
    cluster: ClusterId,
    listener: &Arc<ReloadableIdentity>,
) -> (Result<Option<PeerIdentity>, rustls::Error>, CapturedCa) {
    let (client, captured) = enrolment_client_tls(pin, cluster).unwrap();
    let any_name = ServerName::try_from("10.0.0.1").unwrap();
    let outcome = shake(client, server_tls(listener).unwrap(), any_name).map(|(client, server)| {
        assert!(server.peer_certificates().is_none());
        peer(client.peer_certificates())
    });
    (outcome, captured)
}

#[test]
fn a_joining_node_accepts_any_master_of_the_cluster_its_token_names() {
    let ca = authority(CLUSTER);
    for number in [1, 7] {
        let (outcome, captured) = enrol(ca.fingerprint(), CLUSTER, &node(&ca, number));
        assert_eq!(outcome.unwrap(), is(CLUSTER, number));
        assert_eq!(captured.ca_pem().as_deref(), Some(ca.cert_pem()));
        assert!(captured.refusal().is_none());
    }
}

#[test]
fn a_joining_node_refuses_every_other_cluster() {
    let (ca, other) = (authority(CLUSTER), authority(OTHER_CLUSTER));
    let mut altered = ca.fingerprint().to_string();
    altered.replace_range(63.., if altered.ends_with('0') { "1" } else { "0" });
    let cases = [
        ("another cluster answers", ca.fingerprint(), CLUSTER, node(&other, 1)),
        ("the pin is altered", altered.parse().unwrap(), CLUSTER, node(&ca, 1)),
        ("the cluster id differs", ca.fingerprint(), OTHER_CLUSTER, node(&ca, 1)),
        (
            "an authority with our cluster's id",
            ca.fingerprint(),
            CLUSTER,
            node(&authority(CLUSTER), 1),
        ),
    ];
    for (what, pin, cluster, listener) in cases {
        let (outcome, captured) = enrol(pin, cluster, &listener);
        assert!(outcome.is_err(), "{what}");
        assert_eq!(captured.ca_pem(), None, "{what}");
        let refusal = captured.refusal().unwrap();
        assert_eq!(refusal.code, codes::CLUSTER_NOT_AUTHENTIC, "{what}");
        assert!(refusal.cause.is_some() && refusal.hint.is_some());
    }
}

/// A listener with an arbitrary chain and key, whether or not they fit.
fn forged_server(chain: &[&str], key_pem: &str) -> Arc<ServerConfig> {
    let chain =
        chain.iter().map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).collect();
    let key = rustls::crypto::ring::sign::any_supported_type(
        &PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap(),
    )
    .unwrap();
    let certified = Arc::new(rustls::sign::CertifiedKey::new(chain, key));
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

#[test]
fn a_joining_node_refuses_an_impostor_who_copied_the_clusters_public_chain() {
    let ca = authority(CLUSTER);
    let real = node(&ca, 1).current();
    let own_key = NodeKey::generate().unwrap();
    let impostor = node(&authority(CLUSTER), 1).current();
    let names = CertificateNames { common_name: "x".to_owned(), names: vec![] };
    let component = ca.issue_component(&names, &own_key.csr_pem().unwrap(), now(), DAY).unwrap();
    let own_key = own_key.key_pem();
    let cases = [
        ("copied chain, own key", vec![&*real.cert_pem, ca.cert_pem()], &*own_key),
        ("own leaf, copied root", vec![&*impostor.cert_pem, ca.cert_pem()], &*impostor.key_pem),
        ("the root as leaf", vec![ca.cert_pem()], &*own_key),
        ("the root as leaf and root", vec![ca.cert_pem(), ca.cert_pem()], &*own_key),
        ("a component", vec![&*component.cert_pem, ca.cert_pem()], &*own_key),
        (
            "a component's chain",
            vec![&*component.cert_pem, &*component.ca_pem, ca.cert_pem()],
            &*own_key,
        ),
        ("no root", vec![&*real.cert_pem], &*real.key_pem),
    ];
    for (what, chain, key) in cases {
        let (client, captured) = enrolment_client_tls(ca.fingerprint(), CLUSTER).unwrap();
        let name = ServerName::try_from("10.0.0.1").unwrap();
        assert!(shake(client, forged_server(&chain, key), name).is_err(), "{what}");
        assert_eq!(captured.ca_pem(), None, "{what}");
        assert!(captured.refusal().is_some(), "{what}");
    }
}

#[test]
fn an_expired_master_is_refused_at_enrolment_with_a_word_about_clocks() {
    let ca = authority(CLUSTER);
    let week_ago = Timestamp(now().0 - 7 * 86_400_000);
    let expired = ReloadableIdentity::new(identity_at(&ca, NodeId(1), week_ago)).unwrap();
    let (outcome, captured) = enrol(ca.fingerprint(), CLUSTER, &expired);
    assert!(outcome.is_err());
    assert!(captured.refusal().unwrap().cause.unwrap().contains("clocks"));
}

#[test]
fn tls_1_2_is_not_spoken() {
    let ca = authority(CLUSTER);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.cert_pem().as_bytes()).unwrap()).unwrap();
    let client =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let refused = shake(
        Arc::new(client),
        server_tls(&node(&ca, 7)).unwrap(),
        server_name(CLUSTER, NodeId(7)),
    );
    assert!(refused.is_err());
}
