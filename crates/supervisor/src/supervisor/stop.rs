//! Stopping an instance: asked first, killed after the grace, its whole process group with it.

use std::time::Duration;

use quorate_model::{ExitStatus, InstanceName};
use rustix::process::Signal;
use tokio::time::{Instant, timeout};

use super::{Supervisor, attach::Look, process_error};
use crate::{
    Attachment, StopSignal, SupervisorError,
    process::{Group, ProcessIdentity},
};

/// How long the kernel may take to end a process after SIGKILL.
const KILL_DEADLINE: Duration = Duration::from_secs(10);
const KILL_INTERVAL: Duration = Duration::from_millis(50);

impl Supervisor {
    /// Stops an instance: sends `signal` to its process group, waits up to `grace`, then sends
    /// SIGKILL. Returns how the component ended once no process of its group is left. Stopping a
    /// stopped instance returns its last exit status, or `None` when it never ran.
    ///
    /// Only processes that are verifiably this instance's are signalled.
    ///
    /// # Errors
    /// [`SupervisorError::StillRunning`] when SIGKILL does not end it (a process that waits for a
    /// dead disk); otherwise as [`Supervisor::attach`].
    pub async fn stop(
        &self,
        instance: &InstanceName,
        signal: StopSignal,
        grace: Duration,
    ) -> Result<Option<ExitStatus>, SupervisorError> {
        if let Look::Running { handle, component, .. } = self.look_until_found(instance).await? {
            let group = Group { shim: handle.shim, leader: component };
            send(group, signal.as_signal())?;
            // A frozen process heeds nothing but SIGKILL; woken, it can end in good order.
            send(group, Signal::CONT)?;
            let ended = timeout(grace, component.ended()).await;
            match ended {
                Ok(ended) => ended.map_err(process_error("watch", component.pid))?,
                Err(_) => {
                    tracing::warn!(
                        %instance,
                        pid = component.pid,
                        "instance `{instance}` did not stop within {grace:?} and is killed"
                    );
                    kill(instance, group, component).await?;
                }
            }
        }
        // The shim, or the look itself where there is none, has ended the rest of the group by
        // the time an end is found.
        match self.attach(instance).await? {
            Attachment::Exited { status, .. } => Ok(Some(status)),
            Attachment::Absent | Attachment::StartFailed { .. } => Ok(None),
            // Somebody started it anew in the meantime; what was to be stopped has stopped.
            Attachment::Running(_) => Ok(Some(ExitStatus::Unknown)),
        }
    }
}

/// Ends the group whatever it wants.
async fn kill(
    instance: &InstanceName,
    group: Group,
    component: ProcessIdentity,
) -> Result<(), SupervisorError> {
    let deadline = Instant::now() + KILL_DEADLINE;
    loop {
        send(group, Signal::KILL)?;
        match timeout(KILL_INTERVAL, component.ended()).await {
            Ok(ended) => return ended.map_err(process_error("watch", component.pid)),
            Err(_) if Instant::now() >= deadline => {
                return Err(SupervisorError::StillRunning {
                    instance: instance.clone(),
                    pid: component.pid,
                });
            }
            Err(_) => {}
        }
    }
}

fn send(group: Group, signal: Signal) -> Result<(), SupervisorError> {
    let sent = group.signal(signal);
    sent.map(drop).map_err(process_error("signal the group of", group.leader.pid))
}
