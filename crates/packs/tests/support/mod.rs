//! Runs rendered instances as real processes, as far as the conformance suite needs: folders,
//! files, certificates of a throw-away authority, start, stop, kill, freeze.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use quorate_model::{
    ComponentName, ComponentSpec, InstanceName, InstanceSpec, NodeId, PackName, SettingValue,
};
use quorate_pack::{
    Catalog, CertificateRequest, InstanceContext, RenderContext, RenderedInstance, StopSignal,
    conformance::ConformanceEnvironment,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A component of instances `name-1`, `name-2`, ... on the nodes n1, n2, ..., all on loopback.
pub(crate) fn component(
    name: &str,
    pack: &str,
    settings: BTreeMap<String, SettingValue>,
    instances: impl IntoIterator<Item = BTreeMap<String, SettingValue>>,
) -> ComponentSpec {
    let instances = (1..).zip(instances).map(|(number, settings)| InstanceSpec {
        name: InstanceName::new(format!("{name}-{number}")).unwrap(),
        node: NodeId(number),
        settings,
    });
    ComponentSpec {
        name: ComponentName::new(name).unwrap(),
        pack: PackName::new(pack).unwrap(),
        instances: instances.collect(),
        settings,
    }
}

/// Ports that nothing listens on now. They lie below the kernel's ephemeral range, so that no
/// outgoing connection takes one between its choice here and its use.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    let first = 8_000 + u16::try_from(std::process::id() % 100).unwrap() * 40;
    let free = (first..12_040).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.take(count).collect()
}

/// The instances of one component as processes of this test; they end with it.
pub(crate) struct Processes {
    component: ComponentSpec,
    catalog: Catalog,
    addresses: BTreeMap<NodeId, String>,
    authority: CertifiedIssuer<'static, KeyPair>,
    running: BTreeMap<InstanceName, Child>,
    began: Instant,
    root: TempDir,
}

impl Processes {
    pub(crate) fn new(component: ComponentSpec) -> Self {
        let catalog = quorate_packs::catalog();
        if let Err(refusals) = catalog.get(&component.pack).unwrap().validate(&component) {
            panic!("the specification is refused: {refusals:#?}");
        }
        let addresses =
            component.instances.iter().map(|it| (it.node, "127.0.0.1".to_owned())).collect();
        let root = tempfile::tempdir().unwrap();
        Self {
            component,
            catalog,
            addresses,
            authority: authority(),
            running: BTreeMap::new(),
            began: Instant::now(),
            root,
        }
    }

    pub(crate) fn folder(&self, instance: &InstanceName) -> PathBuf {
        self.root.path().join(instance.as_str())
    }

    pub(crate) fn render(&self, instance: &InstanceName) -> RenderedInstance {
        let rules = self.catalog.get(&self.component.pack).unwrap();
        rules
            .render(&RenderContext {
                component: &self.component,
                instance,
                addresses: &self.addresses,
                folder: self.folder(instance),
            })
            .unwrap()
    }

    /// The last lines that an instance wrote, for a test that fails.
    pub(crate) fn output(&self) -> String {
        let tails = self.component.instances.iter().map(|it| {
            let text =
                fs::read_to_string(self.folder(&it.name).join("output.log")).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let tail = lines[lines.len().saturating_sub(15)..].join("\n");
            format!("--- {}\n{tail}\n", it.name)
        });
        tails.collect()
    }

    fn prepare(&self, rendered: &RenderedInstance) {
        for folder in rendered.folders.iter().chain([&rendered.working_dir]) {
            fs::create_dir_all(folder).unwrap();
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        }
        for file in &rendered.files {
            fs::write(&file.path, &file.content).unwrap();
            fs::set_permissions(&file.path, fs::Permissions::from_mode(file.mode)).unwrap();
        }
        for request in &rendered.certificates {
            if !request.cert_path.exists() {
                issue(&self.authority, request);
            }
        }
    }

    fn signal(&mut self, instance: &InstanceName, signal: Signal) -> Result<(), String> {
        let child = self.running.get_mut(instance).ok_or(format!("`{instance}` does not run"))?;
        if let Some(status) = child.try_wait().unwrap() {
            return Err(format!("`{instance}` has ended: {status}\n{}", self.output()));
        }
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, signal).map_err(|error| error.to_string())
    }

    async fn wait(
        &mut self,
        instance: &InstanceName,
        limit: Duration,
    ) -> Result<ExitStatus, String> {
        let mut child =
            self.running.remove(instance).ok_or(format!("`{instance}` does not run"))?;
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return Ok(status);
            }
            if Instant::now() > until {
                self.running.insert(instance.clone(), child);
                return Err(format!("`{instance}` did not end within {limit:?}"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[async_trait]
impl ConformanceEnvironment for Processes {
    fn instances(&self) -> Vec<InstanceName> {
        self.component.instances.iter().map(|instance| instance.name.clone()).collect()
    }

    fn context(&self, instance: &InstanceName) -> InstanceContext {
        InstanceContext {
            component: self.component.clone(),
            instance: instance.clone(),
            addresses: self.addresses.clone(),
            folder: self.folder(instance),
        }
    }

    async fn start(&mut self, instance: &InstanceName) -> Result<(), String> {
        let rendered = self.render(instance);
        self.prepare(&rendered);
        let output = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder(instance).join("output.log"))
            .unwrap();
        let inherited = ["PATH", "HOME", "LANG", "TZ"]
            .into_iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        let program = &rendered.command[0];
        let child = Command::new(program)
            .args(&rendered.command[1..])
            .env_clear()
            .envs(inherited)
            .envs(&rendered.env)
            .current_dir(&rendered.working_dir)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .map_err(|error| {
                format!(
                    "cannot start `{program}`: {error}; this test needs it: apt-get install \
                     etcd-server etcd-client python3"
                )
            })?;
        self.running.insert(instance.clone(), child);
        Ok(())
    }

    async fn stop(&mut self, instance: &InstanceName) -> Result<(), String> {
        let rendered = self.render(instance);
        let signal = match rendered.stop_signal {
            StopSignal::Term => Signal::TERM,
            StopSignal::Int => Signal::INT,
            StopSignal::Quit => Signal::QUIT,
        };
        self.signal(instance, signal)?;
        self.wait(instance, Duration::from_millis(rendered.stop_grace_ms)).await?;
        Ok(())
    }

    async fn kill(&mut self, instance: &InstanceName) -> Result<(), String> {
        self.signal(instance, Signal::KILL)?;
        let status = self.wait(instance, Duration::from_secs(10)).await?;
        assert_eq!(status.signal(), Some(9));
        Ok(())
    }

    async fn freeze(&mut self, instance: &InstanceName) -> Result<(), String> {
        self.signal(instance, Signal::STOP)
    }

    async fn thaw(&mut self, instance: &InstanceName) -> Result<(), String> {
        self.signal(instance, Signal::CONT)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    async fn pause(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "test authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issue(authority: &CertifiedIssuer<'static, KeyPair>, request: &CertificateRequest) {
    let mut params = CertificateParams::new(request.names.clone()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, request.common_name.as_str());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    write_private(&request.key_path, &key.serialize_pem());
    fs::write(&request.cert_path, certificate.pem()).unwrap();
    fs::write(&request.ca_path, authority.pem()).unwrap();
}

fn write_private(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
