//! What the packs render, to the letter.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, path::PathBuf};

use quorate_model::{ComponentSpec, InstanceName, NodeId, Refusal};
use quorate_pack::{RenderContext, RenderedInstance, StopSignal};
use quorate_packs::catalog;
use serde_json::{Value, json};

fn render(
    spec: &Value,
    instance: &str,
    addresses: &[(u64, &str)],
) -> Result<RenderedInstance, Refusal> {
    let component: ComponentSpec = serde_json::from_value(spec.clone()).unwrap();
    let addresses: BTreeMap<NodeId, String> =
        addresses.iter().map(|(node, address)| (NodeId(*node), (*address).to_owned())).collect();
    let context = RenderContext {
        component: &component,
        instance: &InstanceName::new(instance).unwrap(),
        addresses: &addresses,
        folder: PathBuf::from("/srv/instances").join(instance),
    };
    let catalog = catalog();
    let rules = catalog.get(&component.pack).unwrap();
    let rendered = rules.render(&context);
    assert_eq!(rendered, rules.render(&context), "rendering twice is rendering once");
    rendered
}

fn orders() -> Value {
    json!({
        "name": "orders",
        "pack": "etcd",
        "instances": [
            {"name": "orders-1", "node": 1},
            {"name": "orders-2", "node": 2, "settings": {"client_port": 12379, "peer_port": 12380}},
            {"name": "orders-3", "node": 3},
        ],
        "settings": {"snapshot_count": 10000, "quota_backend_bytes": 8_589_934_592_u64},
    })
}

const HOSTS: &[(u64, &str)] = &[(1, "10.0.0.1"), (2, "db-2.example"), (3, "fd00::3")];

#[test]
fn an_etcd_member_is_rendered() {
    let rendered = render(&orders(), "orders-1", HOSTS).unwrap();
    assert_eq!(
        rendered.command,
        ["etcd", "--config-file", "/srv/instances/orders-1/config/etcd.yaml"]
    );
    assert!(rendered.env.is_empty());
    assert_eq!(rendered.working_dir, PathBuf::from("/srv/instances/orders-1"));
    assert_eq!((rendered.stop_signal, rendered.stop_grace_ms), (StopSignal::Term, 15_000));
    assert_eq!(rendered.ports, [2379, 2380]);
    let folders: Vec<_> = rendered.folders.iter().map(|folder| folder.to_str().unwrap()).collect();
    assert_eq!(
        folders,
        [
            "/srv/instances/orders-1/config",
            "/srv/instances/orders-1/data",
            "/srv/instances/orders-1/tls",
        ]
    );
    let [file] = &rendered.files[..] else { panic!("one file") };
    assert_eq!(file.mode, 0o600);
    assert_eq!(
        file.content,
        r#"# Written by Quorate for component orders; a change made here is lost.
name: "orders-1"
data-dir: "/srv/instances/orders-1/data"
listen-client-urls: "https://10.0.0.1:2379"
advertise-client-urls: "https://10.0.0.1:2379"
listen-peer-urls: "https://10.0.0.1:2380"
initial-advertise-peer-urls: "https://10.0.0.1:2380"
initial-cluster: "orders-1=https://10.0.0.1:2380,orders-2=https://db-2.example:12380,orders-3=https://[fd00::3]:2380"
initial-cluster-token: "quorate-orders"
initial-cluster-state: "new"
strict-reconfig-check: true
enable-v2: false
enable-grpc-gateway: true
logger: "zap"
log-outputs: [stderr]
snapshot-count: 10000
quota-backend-bytes: 8589934592
client-transport-security:
  client-cert-auth: true
  trusted-ca-file: "/srv/instances/orders-1/tls/ca.crt"
  cert-file: "/srv/instances/orders-1/tls/server.crt"
  key-file: "/srv/instances/orders-1/tls/server.key"
peer-transport-security:
  client-cert-auth: true
  trusted-ca-file: "/srv/instances/orders-1/tls/ca.crt"
  cert-file: "/srv/instances/orders-1/tls/peer.crt"
  key-file: "/srv/instances/orders-1/tls/peer.key"
"#
    );
}

#[test]
fn an_etcd_members_certificates_name_it_and_quorate() {
    let rendered = render(&orders(), "orders-2", HOSTS).unwrap();
    let seen: Vec<(String, &str, String)> = rendered
        .certificates
        .iter()
        .map(|request| {
            assert_eq!(request.ca_path, PathBuf::from("/srv/instances/orders-2/tls/ca.crt"));
            assert_eq!(request.key_path, request.cert_path.with_extension("key"));
            let file = request.cert_path.file_name().unwrap().to_string_lossy().into_owned();
            (file, request.common_name.as_str(), request.names.join(" "))
        })
        .collect();
    let own = "db-2.example localhost 127.0.0.1 orders-2".to_owned();
    assert_eq!(
        seen,
        [
            ("peer.crt".to_owned(), "orders-2", own.clone()),
            ("server.crt".to_owned(), "orders-2", own),
            ("client.crt".to_owned(), "quorate", "quorate".to_owned()),
        ]
    );
}

#[test]
fn an_etcd_member_known_by_a_host_name_listens_on_every_address() {
    let content = &render(&orders(), "orders-2", HOSTS).unwrap().files[0].content;
    for line in [
        "listen-client-urls: \"https://0.0.0.0:12379\"\n",
        "advertise-client-urls: \"https://db-2.example:12379\"\n",
        "listen-peer-urls: \"https://0.0.0.0:12380\"\n",
        "initial-advertise-peer-urls: \"https://db-2.example:12380\"\n",
    ] {
        assert!(content.contains(line), "{line}{content}");
    }
    let content = &render(&orders(), "orders-3", HOSTS).unwrap().files[0].content;
    assert!(content.contains("listen-peer-urls: \"https://[fd00::3]:2380\"\n"), "{content}");
}

#[test]
fn rendering_is_refused_when_two_nodes_are_one_host_with_shared_ports() {
    let one_host = &[(1, "127.0.0.1"), (2, "127.0.0.1"), (3, "127.0.0.1")];
    let refusal = render(&orders(), "orders-1", one_host).unwrap_err();
    assert_eq!(
        refusal.message,
        "instances `orders-1` and `orders-3` would share port 2379 on 127.0.0.1"
    );
    let refusal = render(&orders(), "orders-1", &HOSTS[..2]).unwrap_err();
    assert_eq!(
        refusal.message,
        "no address is known of node n3, which carries instance `orders-3`"
    );
    let refusal = render(&orders(), "orders-9", HOSTS).unwrap_err();
    assert_eq!(refusal.message, "component `orders` has no instance `orders-9`");
}

#[test]
fn a_process_is_rendered_with_its_placeholders_replaced() {
    let spec = json!({
        "name": "web",
        "pack": "process",
        "instances": [
            {"name": "web-1", "node": 1, "settings": {"port": 8081, "stop_signal": "QUIT"}},
            {"name": "web-2", "node": 2},
        ],
        "settings": {
            "command": ["server", "--listen={address}:{port}", "--name={component}/{instance}"],
            "env": {"DATA": "{data}", "PLAIN": "{{}}"},
            "port": 8080,
            "working_dir": "{folder}/run",
        },
    });
    let rendered = render(&spec, "web-1", HOSTS).unwrap();
    assert_eq!(rendered.command, ["server", "--listen=10.0.0.1:8081", "--name=web/web-1"]);
    let env: Vec<(&str, &str)> =
        rendered.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(env, [("DATA", "/srv/instances/web-1/data"), ("PLAIN", "{}")]);
    assert_eq!(rendered.working_dir, PathBuf::from("/srv/instances/web-1/run"));
    assert_eq!((rendered.stop_signal, rendered.stop_grace_ms), (StopSignal::Quit, 10_000));
    assert_eq!(rendered.ports, [8081]);
    assert!(rendered.files.is_empty() && rendered.certificates.is_empty());

    let rendered = render(&spec, "web-2", HOSTS).unwrap();
    assert_eq!(rendered.command[1], "--listen=db-2.example:8080");
    assert_eq!(rendered.stop_signal, StopSignal::Term);
}
