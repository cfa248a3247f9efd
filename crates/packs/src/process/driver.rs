//! Asks a process whether it serves: over http or tcp, or by running a command beside it.

use std::{process::Stdio, time::Duration};

use async_trait::async_trait;
use quorate_model::{PackName, Readiness as Ready, Refusal, codes};
use quorate_pack::{
    InstanceContext, MemberView, PackDriver, PackRules as _, RenderContext, RenderedInstance,
};
use quorate_probe::ProbeSpec;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use super::{
    render::{expand_all, render},
    rules::Rules,
    settings::{Readiness, Settings},
};
use crate::template::{Values, address_of};

/// What an instance, and a command that asks about it, inherits from the node manager.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// The driver of the process pack. It has no state.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Driver;

#[async_trait]
impl PackDriver for Driver {
    fn name(&self) -> PackName {
        Rules.name()
    }

    /// Without a `readiness` setting the answer is "ready": that the process runs is known to
    /// the node manager, and an observation is ready only when both hold.
    async fn probe(&self, instance: &InstanceContext) -> MemberView {
        let readiness = match Question::of(instance) {
            Ok(question) => question.ask().await,
            Err(refusal) => Ready::Unknown { reason: refusal.to_string() },
        };
        MemberView { readiness, member: None }
    }
}

/// The question that an instance's settings ask, ready to be asked.
enum Question {
    None,
    Probe { probe: ProbeSpec, timeout: Duration },
    Exec { command: Vec<String>, rendered: RenderedInstance, timeout: Duration },
}

impl Question {
    fn of(context: &InstanceContext) -> Result<Self, Refusal> {
        let InstanceContext { component, instance, addresses, folder } = context;
        let rendered =
            render(&RenderContext { component, instance, addresses, folder: folder.clone() })?;
        // Rendering has found the instance and read its settings already.
        let missing = || Refusal::new(codes::INTERNAL, "a rendered instance has no settings");
        let spec = component.instance(instance).ok_or_else(missing)?;
        let settings = Settings::read(component, spec).map_err(|_| missing())?;
        let values = Values {
            instance: spec.name.clone(),
            component: component.name.clone(),
            address: address_of(addresses, spec.node, &spec.name)?,
            port: settings.port,
            folder: folder.clone(),
        };
        let timeout = settings.readiness_timeout;
        match &settings.readiness {
            None => Ok(Self::None),
            Some(Readiness::Url(url)) => match url.expand(&values).parse() {
                Ok(probe) => Ok(Self::Probe { probe, timeout }),
                Err(error) => Err(Refusal::new(codes::SPECIFICATION_INVALID, format!("{error}"))),
            },
            Some(Readiness::Exec(command)) => {
                Ok(Self::Exec { command: expand_all(command, &values), rendered, timeout })
            }
        }
    }

    async fn ask(self) -> Ready {
        match self {
            Self::None => Ready::Ready,
            Self::Probe { probe, timeout } => {
                let result = probe.probe(timeout).await;
                if result.up {
                    Ready::Ready
                } else {
                    Ready::NotReady { reason: format!("{probe}: {}", result.detail) }
                }
            }
            Self::Exec { command, rendered, timeout } => exec(&command, &rendered, timeout).await,
        }
    }
}

async fn exec(command: &[String], rendered: &RenderedInstance, timeout: Duration) -> Ready {
    let shown = command.join(" ");
    let Some((program, arguments)) = command.split_first() else {
        return Ready::Unknown { reason: "the readiness command is empty".to_owned() };
    };
    let spawned = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .envs(&rendered.env)
        .current_dir(&rendered.working_dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut group = match spawned {
        Ok(child) => ProcessGroup(child),
        Err(error) => {
            return Ready::Unknown { reason: format!("cannot run `{shown}`: {error}") };
        }
    };
    match tokio::time::timeout(timeout, group.0.wait()).await {
        Ok(Ok(status)) if status.success() => Ready::Ready,
        Ok(Ok(status)) => Ready::NotReady { reason: format!("`{shown}` ended with {status}") },
        Ok(Err(error)) => Ready::Unknown { reason: format!("cannot wait for `{shown}`: {error}") },
        Err(_) => {
            group.kill();
            // The kill is certain; waiting only keeps the process table clean.
            let _ = group.0.wait().await;
            Ready::NotReady {
                reason: format!("`{shown}` did not end within {} ms", timeout.as_millis()),
            }
        }
    }
}

/// A command and whatever it started; all of it is killed when the question is given up.
struct ProcessGroup(Child);

impl ProcessGroup {
    fn kill(&self) {
        // While the child has not been waited for, its process id cannot be another's.
        let pid = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = pid {
            // It fails only when everything has ended already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}
