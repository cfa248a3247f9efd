//! The pid file of a running node, believed only of the very process that wrote it.
//!
//! The first line is the pid, for people and other programs. The second tells this boot of the
//! host and the process's start, so that a pid that was given to another process later, or before
//! the last reboot, is recognised.

use std::{
    io,
    path::{Path, PathBuf},
};

use quorate_model::{Refusal, codes};
use quorate_supervisor::{ProcessIdentity, boot_id};

use super::{NodeConfig, config::split_addr, os::refuse_file};

/// The admin port whose master's pid file has no number in its name.
const USUAL_ADMIN_PORT: u16 = 8080;

/// What a pid file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// There is none.
    Nobody,
    /// The process that wrote it lives.
    Running(ProcessIdentity),
    /// The process that wrote it is gone.
    Gone {
        /// Its pid.
        pid: u32,
        /// Another process has that pid now.
        reused: bool,
    },
    /// Somebody else wrote it; whose process it names cannot be told.
    Doubtful(String),
}

/// The name of a node's pid file: several masters on one host differ by their admin ports.
pub(crate) fn name(config: &NodeConfig) -> String {
    if !config.node.role.is_master() {
        return "node-manager.pid".to_owned();
    }
    match split_addr("", &config.node.admin_addr) {
        Ok((_, port)) if port != USUAL_ADMIN_PORT => format!("master-{port}.pid"),
        _ => "master.pid".to_owned(),
    }
}

/// Looks at a pid file and at the process it names.
pub(crate) fn look(path: &Path) -> Result<Holder, Refusal> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(error) => return Err(refuse_file("read", path, &error)),
    };
    judge(&text).map_err(|error| refuse_file("look at the process of", path, &error))
}

/// The two lines that name a process of this boot of the host.
pub(super) fn text(process: ProcessIdentity) -> io::Result<String> {
    Ok(format!("{}\nboot={};start={}\n", process.pid, boot_id()?, process.start_ticks))
}

fn judge(text: &str) -> io::Result<Holder> {
    let mut lines = text.lines();
    let Some(pid) = lines.next().and_then(|line| line.trim().parse().ok()) else {
        return Ok(Holder::Doubtful("it holds no pid".to_owned()));
    };
    let now = ProcessIdentity::of(pid)?;
    let Some((boot, start_ticks)) = lines.next().and_then(mark) else {
        return Ok(match now {
            Some(_) => Holder::Doubtful(format!(
                "process {pid} lives, but the file does not say when its process was started"
            )),
            None => Holder::Gone { pid, reused: false },
        });
    };
    let written_by = ProcessIdentity { pid, start_ticks };
    if boot == boot_id()? && written_by.is_alive()? {
        return Ok(Holder::Running(written_by));
    }
    let reused = now.is_some_and(|now| boot_id().is_ok_and(|id| id != boot) || now != written_by);
    Ok(Holder::Gone { pid, reused })
}

/// Reads the second line: one word, so that no program takes a part of it for a pid.
fn mark(line: &str) -> Option<(&str, u64)> {
    let (boot, start) = line.trim().strip_prefix("boot=")?.split_once(";start=")?;
    Some((boot, start.parse().ok()?))
}

/// The pid files in a run folder, in order of their names.
pub(crate) fn all(run: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(run) else { return Vec::new() };
    let is_ours = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name == "node-manager.pid" || name.starts_with("master") && name.ends_with(".pid")
    };
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| is_ours(path)).collect();
    files.sort();
    files
}

/// The pid file of this process; dropping it removes the file, unless it is kept.
#[derive(Debug)]
pub(crate) struct PidFile {
    path: PathBuf,
    me: ProcessIdentity,
    is_kept: bool,
}

impl PidFile {
    /// Writes this process's pid file, over one that a process left which is gone.
    ///
    /// # Errors
    /// When another node runs in this folder, or it cannot be written.
    pub(crate) fn take(run: &Path, name: &str) -> Result<Self, Refusal> {
        let path = run.join(name);
        let of_os = |error: io::Error| refuse_file("write", &path, &error);
        let me = ProcessIdentity::of(std::process::id())
            .map_err(of_os)?
            .ok_or_else(|| of_os(io::ErrorKind::NotFound.into()))?;
        for other in all(run) {
            match look(&other)? {
                Holder::Running(holder) if holder != me => {
                    return Err(Refusal::new(
                        codes::DATA_FOLDER_IN_USE,
                        format!("another node runs in the folder {}", run.display()),
                    )
                    .cause(format!("{} names process {}", other.display(), holder.pid))
                    .hint("give each node on a host folders of its own: --root DIR"));
                }
                _ => {}
            }
        }
        let text = text(me).map_err(of_os)?;
        quorate_keyring::atomic_write(&path, text.as_bytes(), 0o644)
            .map_err(|error| Refusal::from(&error))?;
        Ok(Self { path, me, is_kept: false })
    }

    /// Leaves the file where it is: this very process goes on as another program, and whoever stops
    /// the node meanwhile must find it.
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if !self.is_kept && look(&self.path).is_ok_and(|holder| holder == Holder::Running(self.me))
        {
            // One that stays is recognised as left behind.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{AddressArgs, NodeRole};

    fn me() -> ProcessIdentity {
        ProcessIdentity::of(std::process::id()).unwrap().unwrap()
    }

    #[test]
    fn a_master_beside_another_has_its_port_in_the_name() {
        let named = |admin: &str, role| {
            let args = AddressArgs {
                name: Some("m1".to_owned()),
                admin_addr: Some(admin.to_owned()),
                internal_addr: Some("127.0.0.1:20000".to_owned()),
                advertise: None,
                zone: None,
            };
            name(&NodeConfig::of_flags(&args, role).unwrap())
        };
        assert_eq!(named("0.0.0.0:8080", NodeRole::Master), "master.pid");
        assert_eq!(named("0.0.0.0:8090", NodeRole::Both), "master-8090.pid");
        assert_eq!(named("0.0.0.0:8090", NodeRole::NodeManager), "node-manager.pid");
    }

    #[test]
    fn a_pid_is_believed_only_with_its_boot_and_its_start() {
        let (me, boot) = (me(), boot_id().unwrap());
        let table = [
            (format!("{}\nboot={boot};start={}\n", me.pid, me.start_ticks), Holder::Running(me)),
            (
                format!("{}\nboot={boot};start={}\n", me.pid, me.start_ticks + 1),
                Holder::Gone { pid: me.pid, reused: true },
            ),
            (
                format!("{}\nboot=an-earlier-one;start={}\n", me.pid, me.start_ticks),
                Holder::Gone { pid: me.pid, reused: true },
            ),
            // Above the kernel's largest pid.
            (
                format!("4194305\nboot={boot};start=7\n"),
                Holder::Gone { pid: 4_194_305, reused: false },
            ),
            ("4194305\n".to_owned(), Holder::Gone { pid: 4_194_305, reused: false }),
        ];
        for (text, expected) in table {
            assert_eq!(judge(&text).unwrap(), expected, "{text}");
        }
        for text in [String::new(), "nonsense".to_owned(), format!("{}\n", me.pid)] {
            assert!(matches!(judge(&text).unwrap(), Holder::Doubtful(_)), "{text}");
        }
    }

    #[test]
    fn the_file_goes_with_its_process_and_never_with_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.pid");
        let taken = PidFile::take(folder.path(), "master.pid").unwrap();
        assert_eq!(look(&path).unwrap(), Holder::Running(me()));
        drop(taken);
        assert!(!path.exists());
        // Kept over a restart in place, it is taken again by the same process.
        PidFile::take(folder.path(), "master.pid").unwrap().keep();
        assert_eq!(look(&path).unwrap(), Holder::Running(me()));
        // Somebody else took the name meanwhile.
        let taken = PidFile::take(folder.path(), "master.pid").unwrap();
        std::fs::write(&path, "1\n").unwrap();
        drop(taken);
        assert!(path.exists());
    }

    #[test]
    fn two_nodes_never_share_a_run_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut other = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let identity = ProcessIdentity::of(other.id()).unwrap().unwrap();
        std::fs::write(folder.path().join("master.pid"), text(identity).unwrap()).unwrap();
        let refusal = PidFile::take(folder.path(), "master-8090.pid").unwrap_err();
        assert_eq!(refusal.code, codes::DATA_FOLDER_IN_USE);
        other.kill().unwrap();
        other.wait().unwrap();
        PidFile::take(folder.path(), "master-8090.pid").unwrap();
    }
}
