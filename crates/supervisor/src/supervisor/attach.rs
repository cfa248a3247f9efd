//! Finding an instance again: by handle, pid, start time and boot id.

use std::time::Duration;

use quorate_model::{ExitStatus, InstanceName};
use rustix::process::Signal;
use tokio::time::Instant;

use super::{Supervisor, process_error};
use crate::{
    Attachment, StartFailure, StartFailureKind, SupervisorError,
    folder::InstanceFolder,
    handle::{End, Handle},
    process::{Group, Orphan, ProcessIdentity, boot_id, orphan_of},
};

/// How long a shim may take to record what it has just done.
const SHIM_DEADLINE: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// How long the remains of a group may take to end after SIGKILL.
const REMAINS_DEADLINE: Duration = Duration::from_secs(2);

/// What one look at an instance finds.
pub(super) enum Look {
    /// Something that stays so until somebody acts.
    Found(Attachment),
    /// A process that runs, and the handle that says so.
    Running { handle: Box<Handle>, component: ProcessIdentity, shim_alive: bool },
    /// A shim is between two records; look again.
    InTransit,
}

impl Supervisor {
    /// Finds out what became of an instance. A process is taken for the instance only when pid,
    /// start time and boot id are those of its handle.
    ///
    /// When the component ended without its shim as a witness, this records so, with an unknown
    /// exit status, and ends what is left of its process group, as the shim would have done.
    ///
    /// # Errors
    /// When the handle is torn, foreign or too new, when a file or process cannot be looked at,
    /// or when a shim lives but records nothing for ten seconds.
    pub async fn attach(&self, instance: &InstanceName) -> Result<Attachment, SupervisorError> {
        match self.look_until_found(instance).await? {
            Look::Running { handle, component, shim_alive } => {
                Ok(Attachment::Running(handle.running(component, shim_alive)))
            }
            Look::Found(attachment) => Ok(attachment),
            Look::InTransit => Err(SupervisorError::ShimSilent { instance: instance.clone() }),
        }
    }

    /// Resolves when the instance no longer runs, with its exit status; at once when it does not
    /// run now. It works for instances that somebody else started, too.
    ///
    /// # Errors
    /// As [`Supervisor::attach`].
    pub fn watch(
        &self,
        instance: &InstanceName,
    ) -> impl Future<Output = Result<ExitStatus, SupervisorError>> + Send + use<> {
        let (supervisor, instance) = (self.clone(), instance.clone());
        async move {
            // The process that runs now is the one watched: its successor, started the moment
            // it ended, must not prolong the wait.
            let looked = supervisor.look_until_found(&instance).await?;
            let Look::Running { component, .. } = looked else {
                return supervisor.last_status(&instance).await;
            };
            component.ended().await.map_err(process_error("watch", component.pid))?;
            supervisor.last_status(&instance).await
        }
    }

    /// The exit status of an instance whose process was seen to end; unknown when a successor
    /// already took its place in the handle.
    async fn last_status(&self, instance: &InstanceName) -> Result<ExitStatus, SupervisorError> {
        match self.attach(instance).await? {
            Attachment::Exited { status, .. } => Ok(status),
            Attachment::Running(_) | Attachment::Absent | Attachment::StartFailed { .. } => {
                Ok(ExitStatus::Unknown)
            }
        }
    }

    /// Looks until what is found stays so, or the deadline passes.
    pub(super) async fn look_until_found(
        &self,
        instance: &InstanceName,
    ) -> Result<Look, SupervisorError> {
        let deadline = Instant::now() + SHIM_DEADLINE;
        loop {
            match self.look(instance).await? {
                Look::InTransit if Instant::now() < deadline => {
                    tokio::time::sleep(LOOK_INTERVAL).await;
                }
                found => return Ok(found),
            }
        }
    }

    async fn look(&self, instance: &InstanceName) -> Result<Look, SupervisorError> {
        let folder = self.folder(instance);
        let Some(handle) = Handle::read(&folder, instance)? else {
            return found_unless_starting(&folder, Attachment::Absent);
        };
        let same_boot =
            boot_id().map_err(process_error("look at", handle.shim.pid))? == handle.boot_id;
        let shim_alive = same_boot
            && handle.shim.is_alive().map_err(process_error("look at", handle.shim.pid))?;
        if let Some(ended) = handle.ended() {
            // A dead shim holds no lock; if one is held, a new shim is about to write.
            return if shim_alive {
                Ok(Look::Found(ended))
            } else {
                found_unless_starting(&folder, ended)
            };
        }
        // The shim may have died between starting the component and recording it.
        if handle.component.is_none() && same_boot && !shim_alive {
            match orphan_of(handle.shim).map_err(process_error("look at", handle.shim.pid))? {
                Orphan::Component(orphan) => return adopt(&folder, &handle, orphan),
                Orphan::Unborn => return Ok(Look::InTransit),
                Orphan::Nobody => {}
            }
        }
        if let Some(component) = handle.component.filter(|_| same_boot)
            && component.is_alive().map_err(process_error("look at", component.pid))?
        {
            return Ok(Look::Running { handle: Box::new(handle), component, shim_alive });
        }
        if !shim_alive {
            self.settle(&folder, &handle, same_boot).await?;
        }
        Ok(Look::InTransit)
    }

    /// Records the end of a run whose shim died before its component did. The next look finds it.
    async fn settle(
        &self,
        folder: &InstanceFolder,
        seen: &Handle,
        same_boot: bool,
    ) -> Result<(), SupervisorError> {
        // Only the holder of the shim lock writes the handle, so a new shim is not overwritten.
        let Some(_lock) = folder.try_shim_lock()? else {
            return Ok(());
        };
        let Some(mut handle) = Handle::read(folder, &seen.instance)? else {
            return Ok(());
        };
        if handle != *seen {
            return Ok(());
        }
        if let Some(leader) = handle.component.filter(|_| same_boot) {
            end_remains(&handle.instance, Group { shim: handle.shim, leader }).await?;
        }
        let at = self.shared.clock.now();
        handle.end = Some(match handle.component {
            Some(_) => End::Exited { status: ExitStatus::Unknown, at, dropped_log_bytes: 0 },
            None => End::StartFailed {
                failure: StartFailure {
                    kind: StartFailureKind::ShimDied,
                    reason: "its shim ended before it could start the component".to_owned(),
                    at,
                },
            },
        });
        tracing::warn!(
            instance = %handle.instance,
            "the end of instance `{}` was not witnessed: its shim was gone before",
            handle.instance
        );
        handle.write(folder)
    }
}

/// Records a component that its shim did not live to record. The next look finds it.
fn adopt(
    folder: &InstanceFolder,
    seen: &Handle,
    orphan: ProcessIdentity,
) -> Result<Look, SupervisorError> {
    if let Some(_lock) = folder.try_shim_lock()?
        && Handle::read(folder, &seen.instance)?.as_ref() == Some(seen)
    {
        Handle { component: Some(orphan), ..seen.clone() }.write(folder)?;
    }
    Ok(Look::InTransit)
}

fn found_unless_starting(
    folder: &InstanceFolder,
    attachment: Attachment,
) -> Result<Look, SupervisorError> {
    Ok(if folder.shim_at_work()? { Look::InTransit } else { Look::Found(attachment) })
}

/// Ends the members of a group that outlived its leader.
async fn end_remains(instance: &InstanceName, group: Group) -> Result<(), SupervisorError> {
    let deadline = Instant::now() + REMAINS_DEADLINE;
    loop {
        let fail = process_error("signal the group of", group.leader.pid);
        if group.signal(Signal::KILL).map_err(fail)? == 0 {
            return Ok(());
        }
        if Instant::now() >= deadline {
            tracing::warn!(%instance, "processes of instance `{instance}` do not end by SIGKILL");
            return Ok(());
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
