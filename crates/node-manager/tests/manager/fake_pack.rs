//! A pack with a certificate, a file, and a driver that a test can watch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use quorate_model::{
    ComponentSpec, InstanceName, InstanceObservation, PackName, Readiness, Refusal, codes,
};
use quorate_node_manager::NodeManagerOptions;
use quorate_pack::{
    Catalog, CertificateRequest, DriverError, FileSpec, InstanceContext, LeadershipTransfer,
    LogRotation, MemberView, PackDriver, PackRules, QuorumKind, RenderContext, RenderedInstance,
    StopSignal,
};
use quorate_packs::DriverCatalog;

#[derive(Default)]
pub(crate) struct FakePack {
    pub(crate) transfers: AtomicUsize,
    pub(crate) silent: AtomicBool,
    pub(crate) hold: AtomicBool,
}

impl FakePack {
    /// Puts only this pack into the options.
    pub(crate) fn put_into(self: &Arc<Self>, options: &mut NodeManagerOptions) {
        options.catalog = Catalog::new([Arc::clone(self) as Arc<dyn PackRules>]);
        options.drivers = DriverCatalog::new([Arc::clone(self) as Arc<dyn PackDriver>]);
    }
}

fn name() -> PackName {
    "fake".parse().unwrap()
}

impl PackRules for FakePack {
    fn name(&self) -> PackName {
        name()
    }

    fn validate(&self, _: &ComponentSpec) -> Result<(), Vec<Refusal>> {
        Ok(())
    }

    fn render(&self, context: &RenderContext<'_>) -> Result<RenderedInstance, Refusal> {
        let folder = &context.folder;
        let setting = |key: &str| context.component.settings.get(key);
        let command = setting("command").and_then(|it| serde_json::from_value(it.clone()).ok());
        let Some(command) = command else {
            return Err(Refusal::new(codes::SPECIFICATION_INVALID, "there is no command"));
        };
        let names = setting("names").and_then(|it| serde_json::from_value(it.clone()).ok());
        let content = setting("content").and_then(|it| it.as_str()).unwrap_or("nothing");
        let certificate = CertificateRequest {
            cert_path: folder.join("tls/server.crt"),
            key_path: folder.join("tls/server.key"),
            ca_path: folder.join("tls/ca.crt"),
            common_name: context.instance.to_string(),
            names: names.unwrap_or_default(),
        };
        Ok(RenderedInstance {
            command,
            env: Default::default(),
            working_dir: folder.clone(),
            files: vec![FileSpec {
                path: folder.join("config/fake.conf"),
                content: content.to_owned(),
                mode: 0o640,
            }],
            folders: vec![folder.join("config"), folder.join("data")],
            certificates: setting("names").map(|_| certificate).into_iter().collect(),
            stop_signal: StopSignal::Term,
            stop_grace_ms: 5000,
            ports: Vec::new(),
            log_rotation: LogRotation::default(),
        })
    }

    fn quorum(&self) -> QuorumKind {
        QuorumKind::Majority
    }

    fn leader_goes_last(&self) -> bool {
        true
    }

    fn caught_up(
        &self,
        _: &InstanceObservation,
        _: Option<&InstanceObservation>,
    ) -> Result<(), String> {
        Ok(())
    }
}

#[async_trait]
impl PackDriver for FakePack {
    fn name(&self) -> PackName {
        name()
    }

    async fn probe(&self, _: &InstanceContext) -> MemberView {
        while self.silent.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        MemberView { readiness: Readiness::Ready, member: None }
    }

    fn leadership(&self) -> Option<&dyn LeadershipTransfer> {
        Some(self)
    }
}

#[async_trait]
impl LeadershipTransfer for FakePack {
    async fn transfer_leadership(
        &self,
        via: &InstanceContext,
        away_from: &InstanceName,
        to: &InstanceName,
    ) -> Result<String, DriverError> {
        let count = self.transfers.fetch_add(1, Ordering::SeqCst) + 1;
        while self.hold.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(format!("transfer {count} from {away_from} to {to} through {}", via.instance))
    }
}
