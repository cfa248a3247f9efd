//! The handle: the record on disk of who runs an instance and how that ended.

use std::{fs, io, path::PathBuf};

use quorate_model::{ExitStatus, Generation, InstanceName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Attachment, Running, StartFailure, SupervisorError, folder, folder::InstanceFolder,
    process::ProcessIdentity,
};

/// The newest version of the handle's format. Version 1 is the first.
pub(crate) const VERSION: u32 = 1;

/// Who runs an instance. It is written before the component is started (`component` absent),
/// when it runs, and when it has ended; always whole, always by the holder of the shim lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Handle {
    pub(crate) version: u32,
    pub(crate) instance: InstanceName,
    pub(crate) generation: Generation,
    /// Pids and start times mean something within one boot of the host only.
    pub(crate) boot_id: String,
    /// The shim; its pid is also the session of everything it starts.
    pub(crate) shim: ProcessIdentity,
    /// The component; its pid is also its process group.
    #[serde(default)]
    pub(crate) component: Option<ProcessIdentity>,
    pub(crate) started_at: Timestamp,
    pub(crate) command_digest: String,
    #[serde(default)]
    pub(crate) end: Option<End>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub(crate) enum End {
    Exited {
        status: ExitStatus,
        at: Timestamp,
        #[serde(default)]
        dropped_log_bytes: u64,
    },
    StartFailed {
        #[serde(flatten)]
        failure: StartFailure,
    },
}

/// What is read first, whatever the version.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Handle {
    /// Reads the handle of `instance`; `None` when there is none.
    pub(crate) fn read(
        folder: &InstanceFolder,
        instance: &InstanceName,
    ) -> Result<Option<Self>, SupervisorError> {
        let path = folder.handle();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(SupervisorError::Folder { action: "read", path, source });
            }
        };
        Self::parse(&bytes, instance, path).map(Some)
    }

    fn parse(
        bytes: &[u8],
        instance: &InstanceName,
        path: PathBuf,
    ) -> Result<Self, SupervisorError> {
        let Versioned { version } = match serde_json::from_slice(bytes) {
            Ok(versioned) => versioned,
            Err(error) => {
                return Err(SupervisorError::HandleUnreadable { path, reason: error.to_string() });
            }
        };
        if version > VERSION {
            return Err(SupervisorError::HandleTooNew { path, version, newest: VERSION });
        }
        let handle: Self = match serde_json::from_slice(bytes) {
            Ok(handle) => handle,
            Err(error) => {
                return Err(SupervisorError::HandleUnreadable { path, reason: error.to_string() });
            }
        };
        if handle.instance != *instance {
            let reason = format!("it belongs to instance `{}`", handle.instance);
            return Err(SupervisorError::HandleUnreadable { path, reason });
        }
        // No shim or component is ever pid 0 or 1, and a group signal to either would hit
        // everything there is.
        let pids = [Some(handle.shim.pid), handle.component.map(|component| component.pid)];
        if pids.into_iter().flatten().any(|pid| pid <= 1 || i32::try_from(pid).is_err()) {
            let reason = "it names an impossible process id".to_owned();
            return Err(SupervisorError::HandleUnreadable { path, reason });
        }
        Ok(handle)
    }

    /// Puts the handle on disk, whole. The caller holds the shim lock.
    pub(crate) fn write(&self, folder: &InstanceFolder) -> Result<(), SupervisorError> {
        let path = folder.handle();
        serde_json::to_vec_pretty(self)
            .map_err(io::Error::other)
            .and_then(|bytes| folder::replace(&path, &bytes))
            .map_err(|source| SupervisorError::Folder { action: "write", path, source })
    }

    /// What the handle's end means to a caller; `None` while it has none.
    pub(crate) fn ended(&self) -> Option<Attachment> {
        let generation = self.generation;
        Some(match self.end.as_ref()? {
            End::Exited { status, at, dropped_log_bytes } => Attachment::Exited {
                status: status.clone(),
                at: *at,
                generation,
                dropped_log_bytes: *dropped_log_bytes,
            },
            End::StartFailed { failure } => {
                Attachment::StartFailed { failure: failure.clone(), generation }
            }
        })
    }

    /// The running instance that this handle describes, when `component` is its process.
    pub(crate) fn running(&self, component: ProcessIdentity, shim_alive: bool) -> Running {
        Running {
            pid: component.pid,
            started_at: self.started_at,
            generation: self.generation,
            shim_alive,
            command_digest: self.command_digest.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = r#"{
        "version": 1, "instance": "orders-1", "generation": 7,
        "boot_id": "5c0a1c2e-0000-4000-8000-000000000000",
        "shim": { "pid": 4100, "start_ticks": 881234 },
        "component": { "pid": 4101, "start_ticks": 881235 },
        "started_at": 1700000000123, "command_digest": "ab12",
        "end": { "end": "exited", "status": { "code": 3 }, "at": 1700000009000 },
        "of_a_later_minor_version": true
    }"#;

    fn parse(text: &str) -> Result<Handle, SupervisorError> {
        let instance = InstanceName::new("orders-1").unwrap();
        Handle::parse(text.as_bytes(), &instance, PathBuf::from("handle.json"))
    }

    #[test]
    fn a_handle_of_version_1_is_read() {
        let handle = parse(V1).unwrap();
        assert_eq!(handle.component.unwrap().pid, 4101);
        assert!(matches!(
            handle.ended(),
            Some(Attachment::Exited { status: ExitStatus::Code(3), generation: Generation(7), .. })
        ));
        let again = serde_json::to_string(&handle).unwrap();
        assert_eq!(parse(&again).unwrap(), handle);
    }

    #[test]
    fn a_start_failure_is_read_as_it_was_written() {
        let mut handle = parse(V1).unwrap();
        handle.end = Some(End::StartFailed {
            failure: StartFailure {
                kind: crate::StartFailureKind::ProgramNotFound,
                reason: "no `etcd`".into(),
                at: Timestamp(5),
            },
        });
        assert_eq!(parse(&serde_json::to_string(&handle).unwrap()).unwrap(), handle);
    }

    #[test]
    fn a_handle_of_a_newer_version_is_refused_with_both_versions() {
        let error = parse(r#"{"version": 9}"#).unwrap_err();
        assert!(matches!(error, SupervisorError::HandleTooNew { version: 9, newest: 1, .. }));
    }

    #[test]
    fn torn_foreign_and_dangerous_handles_are_refused() {
        for bad in [
            "",
            "{",
            &V1[..90],
            "[]",
            &V1.replace("orders-1", "orders-2"),
            &V1.replace("4101", "1"),
            &V1.replace("4100", "0"),
            &V1.replace("4101", "4294967295"),
        ] {
            let error = parse(bad).unwrap_err();
            assert!(matches!(error, SupervisorError::HandleUnreadable { .. }), "{bad}: {error}");
        }
    }
}
