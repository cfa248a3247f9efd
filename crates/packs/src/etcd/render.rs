//! Makes the configuration file, certificates and start command of one member.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::IpAddr,
    path::{Path, PathBuf},
};

use quorate_model::{ComponentSpec, InstanceSpec, NodeId, Refusal, codes};
use quorate_pack::{
    CertificateRequest, FileSpec, LogRotation, RenderContext, RenderedInstance, StopSignal,
};

use super::settings::Settings;
use crate::{
    setting_reader::{first, refuse_shared_ports},
    template::{HostPort, Values, address_of},
};

/// The common name of the certificate Quorate itself uses, and so, should a person turn on
/// etcd's own authentication, the name of the user Quorate is.
const CLIENT_NAME: &str = "quorate";

/// A leader hands its leadership over before it exits, which takes two to three seconds.
const STOP_GRACE_MS: u64 = 15_000;

/// Where the certificates of an instance are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TlsFiles {
    folder: PathBuf,
}

impl TlsFiles {
    pub(super) fn of(instance_folder: &Path) -> Self {
        Self { folder: instance_folder.join("tls") }
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    pub(super) fn cert(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{kind}.crt"))
    }

    pub(super) fn key(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{kind}.key"))
    }

    fn request(&self, kind: &str, common_name: &str, names: Vec<String>) -> CertificateRequest {
        CertificateRequest {
            cert_path: self.cert(kind),
            key_path: self.key(kind),
            ca_path: self.ca(),
            common_name: common_name.to_owned(),
            names,
        }
    }
}

/// A member with everything that others need to know of it.
pub(super) struct Member<'a> {
    pub(super) spec: &'a InstanceSpec,
    pub(super) address: String,
    pub(super) settings: Settings,
}

impl<'a> Member<'a> {
    /// The members of a component, in the order of its specification.
    pub(super) fn all(
        component: &'a ComponentSpec,
        addresses: &BTreeMap<NodeId, String>,
    ) -> Result<Vec<Self>, Refusal> {
        component
            .instances
            .iter()
            .map(|spec| {
                let settings = Settings::read(component, spec).map_err(first)?;
                let address = address_of(addresses, spec.node, &spec.name)?;
                Ok(Self { spec, address, settings })
            })
            .collect()
    }

    /// Where clients connect.
    pub(super) fn client_url(&self) -> String {
        format!("https://{}", HostPort(&self.address, self.settings.client_port))
    }

    fn peer_url(&self) -> String {
        format!("https://{}", HostPort(&self.address, self.settings.peer_port))
    }

    /// etcd listens on IP addresses only, so a member known by a host name listens on all.
    fn listen_address(&self) -> &str {
        if self.address.parse::<IpAddr>().is_ok() { &self.address } else { "0.0.0.0" }
    }
}

/// Files, command and certificates of one member.
pub(super) fn render(context: &RenderContext<'_>) -> Result<RenderedInstance, Refusal> {
    let RenderContext { component, instance, addresses, folder } = context;
    let members = Member::all(component, addresses)?;
    let member = members.iter().find(|member| member.spec.name == **instance).ok_or_else(|| {
        Refusal::new(
            codes::NOT_FOUND,
            format!("component `{}` has no instance `{instance}`", component.name),
        )
    })?;
    // Two nodes may turn out to be one host, which `validate` cannot know.
    let ports =
        members.iter().map(|member| (member.spec, member.address.clone(), member.settings.ports()));
    if let Some(refusal) = refuse_shared_ports(ports).into_iter().next() {
        return Err(refusal);
    }

    let tls = TlsFiles::of(folder);
    let config_path = folder.join("config").join("etcd.yaml");
    let mut names: Vec<String> = Vec::new();
    for name in [member.address.as_str(), "localhost", "127.0.0.1", instance.as_str()] {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(RenderedInstance {
        command: vec![
            member.settings.program.clone(),
            "--config-file".to_owned(),
            config_path.to_string_lossy().into_owned(),
        ],
        // etcd reads ETCD_* variables; there are none.
        env: BTreeMap::new(),
        working_dir: folder.clone(),
        files: vec![FileSpec {
            path: config_path,
            content: configuration(component, &members, member, folder, &tls),
            mode: 0o600,
        }],
        folders: vec![folder.join("config"), Values::data(folder), folder.join("tls")],
        certificates: vec![
            tls.request("peer", instance.as_str(), names.clone()),
            tls.request("server", instance.as_str(), names),
            tls.request("client", CLIENT_NAME, vec![CLIENT_NAME.to_owned()]),
        ],
        stop_signal: StopSignal::Term,
        stop_grace_ms: STOP_GRACE_MS,
        ports: vec![member.settings.client_port, member.settings.peer_port],
        log_rotation: LogRotation::default(),
    })
}

fn configuration(
    component: &ComponentSpec,
    members: &[Member<'_>],
    member: &Member<'_>,
    folder: &Path,
    tls: &TlsFiles,
) -> String {
    let settings = &member.settings;
    let initial_cluster: Vec<String> = members
        .iter()
        .map(|member| format!("{}={}", member.spec.name, member.peer_url()))
        .collect();
    let listen = |port| format!("https://{}", HostPort(member.listen_address(), port));

    let mut yaml = Yaml(format!(
        "# Written by Quorate for component {}; a change made here is lost.\n",
        component.name
    ));
    yaml.text("name", member.spec.name.as_str());
    yaml.text("data-dir", &Values::data(folder).to_string_lossy());
    yaml.text("listen-client-urls", &listen(settings.client_port));
    yaml.text("advertise-client-urls", &member.client_url());
    yaml.text("listen-peer-urls", &listen(settings.peer_port));
    yaml.text("initial-advertise-peer-urls", &member.peer_url());
    yaml.text("initial-cluster", &initial_cluster.join(","));
    yaml.text("initial-cluster-token", &format!("quorate-{}", component.name));
    yaml.text("initial-cluster-state", "new");
    yaml.raw("strict-reconfig-check", true);
    yaml.raw("enable-v2", false);
    // With a configuration file the gateway's default is off; with flags, which people know, on.
    yaml.raw("enable-grpc-gateway", true);
    yaml.text("logger", "zap");
    yaml.raw("log-outputs", "[stderr]");
    let numbers = [
        ("snapshot-count", settings.snapshot_count),
        ("heartbeat-interval", settings.heartbeat_interval_ms),
        ("election-timeout", settings.election_timeout_ms),
        ("quota-backend-bytes", settings.quota_backend_bytes),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            yaml.raw(key, number);
        }
    }
    for (section, kind) in [("client", "server"), ("peer", "peer")] {
        yaml.raw(&format!("{section}-transport-security"), "");
        yaml.raw("  client-cert-auth", true);
        yaml.text("  trusted-ca-file", &tls.ca().to_string_lossy());
        yaml.text("  cert-file", &tls.cert(kind).to_string_lossy());
        yaml.text("  key-file", &tls.key(kind).to_string_lossy());
    }
    yaml.0
}

/// Lines of YAML; every text is quoted as JSON quotes it, which YAML reads alike.
struct Yaml(String);

impl Yaml {
    fn raw(&mut self, key: &str, value: impl std::fmt::Display) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.0, "{}", format!("{key}: {value}").trim_end());
    }

    fn text(&mut self, key: &str, value: &str) {
        self.raw(key, serde_json::Value::from(value));
    }
}
