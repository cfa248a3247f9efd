//! Processes by identity: a pid is believed only together with its start time.

use std::{io, time::Duration};

use procfs::{ProcError, process::Stat};
use rustix::{
    fd::OwnedFd,
    process::{
        Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process, pidfd_open, pidfd_send_signal,
        setsid, waitpid,
    },
};
use serde::{Deserialize, Serialize};
use tokio::io::{Interest, unix::AsyncFd};

/// How often a process is looked at where the kernel has no pidfd.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// One process of this boot of the host: a reused pid has another start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Its process id.
    pub pid: u32,
    /// Clock ticks between the host's boot and the process's start (field 22 of
    /// `/proc/<pid>/stat`).
    pub start_ticks: u64,
}

/// A handle on a process that no reuse of its pid can redirect.
enum Hold {
    Pidfd(OwnedFd),
    /// The kernel, or a sandbox, has no pidfd.
    Unsupported,
}

impl ProcessIdentity {
    /// The identity of the process that has this pid now, dead but unreaped ones included.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn of(pid: u32) -> io::Result<Option<Self>> {
        Ok(stat(pid)?.map(|stat| Self { pid, start_ticks: stat.starttime }))
    }

    /// Whether this very process lives. A zombie does not.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn is_alive(self) -> io::Result<bool> {
        Ok(stat(self.pid)?.is_some_and(|stat| self.start_ticks == stat.starttime && lives(&stat)))
    }

    /// Resolves when this very process has ended; at once when it has already.
    ///
    /// # Errors
    /// When the process cannot be watched.
    pub async fn ended(self) -> io::Result<()> {
        match self.hold()? {
            None => Ok(()),
            Some(Hold::Pidfd(pidfd)) => {
                #[expect(
                    deprecated,
                    reason = "the successor is unsafe for the sake of types that may change \
                              their descriptor; an OwnedFd never does"
                )]
                let pidfd = AsyncFd::with_interest(pidfd, Interest::READABLE)?;
                pidfd.readable().await.map(drop)
            }
            Some(Hold::Unsupported) => {
                while self.is_alive()? {
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
                Ok(())
            }
        }
    }

    /// Sends a signal to this very process; `false` when it has ended.
    ///
    /// # Errors
    /// When this user may not signal it.
    pub fn signal(self, signal: Signal) -> io::Result<bool> {
        let sent = match self.hold()? {
            None => return Ok(false),
            Some(Hold::Pidfd(pidfd)) => pidfd_send_signal(pidfd, signal),
            Some(Hold::Unsupported) => kill_process(raw(self.pid)?, signal),
        };
        match sent {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes hold of the process. The identity is verified after the pidfd was opened: from then
    /// on the pidfd means this process, whoever gets the pid next.
    fn hold(self) -> io::Result<Option<Hold>> {
        let hold = match pidfd_open(raw(self.pid)?, PidfdFlags::empty()) {
            Ok(pidfd) => Hold::Pidfd(pidfd),
            Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL) => return Ok(None),
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => Hold::Unsupported,
            Err(error) => return Err(error.into()),
        };
        Ok(self.is_alive()?.then_some(hold))
    }
}

/// The process group of a component within the session of its shim.
///
/// As long as one member lives, the kernel gives neither number to a new process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    pub(crate) shim: ProcessIdentity,
    pub(crate) leader: ProcessIdentity,
}

impl Group {
    /// The members that live, the leader included.
    pub(crate) fn members(self) -> io::Result<Vec<ProcessIdentity>> {
        let stats = stats()?;
        // A stranger with the shim's or the leader's pid proves that the group ended long ago:
        // a number in use as a session or a group is never given to a new process.
        let is_stranger = |stat: &&Stat| {
            [self.shim, self.leader]
                .into_iter()
                .any(|ours| is_pid(stat, ours.pid) && stat.starttime != ours.start_ticks)
        };
        if stats.iter().any(|stat| is_stranger(&stat)) {
            return Ok(Vec::new());
        }
        Ok(stats
            .iter()
            .filter(|stat| {
                u32::try_from(stat.pgrp) == Ok(self.leader.pid)
                    && u32::try_from(stat.session) == Ok(self.shim.pid)
                    && stat.starttime >= self.leader.start_ticks
                    && lives(stat)
            })
            .filter_map(identity)
            .collect())
    }

    /// Sends a signal to every member; the number of those it reached.
    pub(crate) fn signal(self, signal: Signal) -> io::Result<usize> {
        let mut reached = 0;
        for member in self.members()? {
            reached += usize::from(member.signal(signal)?);
        }
        Ok(reached)
    }
}

/// What a dead shim left in its session.
pub(crate) enum Orphan {
    /// Nothing.
    Nobody,
    /// A process that was forked but has not become the component yet, nor failed to.
    Unborn,
    /// The component that the shim started but did not live to record.
    Component(ProcessIdentity),
}

/// Looks into the session of a shim that died: its only child, the component, leads a group.
pub(crate) fn orphan_of(shim: ProcessIdentity) -> io::Result<Orphan> {
    let stats = stats()?;
    if stats.iter().any(|stat| is_pid(stat, shim.pid) && stat.starttime != shim.start_ticks) {
        return Ok(Orphan::Nobody);
    }
    let session: Vec<&Stat> = stats
        .iter()
        .filter(|stat| {
            u32::try_from(stat.session) == Ok(shim.pid)
                && !is_pid(stat, shim.pid)
                && stat.starttime >= shim.start_ticks
                && lives(stat)
        })
        .collect();
    let component = session
        .iter()
        .filter(|stat| stat.pgrp == stat.pid)
        .min_by_key(|stat| stat.starttime)
        .and_then(|stat| identity(stat));
    Ok(match component {
        Some(component) => Orphan::Component(component),
        None if session.is_empty() => Orphan::Nobody,
        None => Orphan::Unborn,
    })
}

/// The id of this boot of the host.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn boot_id() -> io::Result<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned())
}

/// Makes this process the leader of a session: of a new one, unless it leads its own already.
///
/// `setsid` refuses a process that leads a group already, which is well where that group is its
/// own session's. The session is read from `/proc` and not with `getsid`: in a container entered
/// from outside, the session one comes from has no number (0), and that is no error.
///
/// # Errors
/// When the process leads the group of another's session.
pub fn lead_session() -> io::Result<()> {
    match setsid() {
        Ok(_) => Ok(()),
        Err(_) if leads_session(getpid().as_raw_nonzero().get()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Buries the children that this process has now, each when it ends.
///
/// A program that took this process's place (`execve`) keeps its children, and nothing in it waits
/// for them: each would stay a zombie from its end on. To be called once, before any child is
/// started; the children's own program is of no interest.
///
/// # Errors
/// When `/proc` cannot be read.
///
/// # Panics
/// Outside a tokio runtime.
pub fn bury_heirs() -> io::Result<()> {
    let me = getpid().as_raw_nonzero().get();
    for heir in stats()?.iter().filter(|stat| stat.ppid == me).filter_map(identity) {
        tokio::spawn(async move {
            let Ok(pid) = raw(heir.pid) else { return };
            // It is our child: nobody else can bury it, so its number stays its own until then.
            if let Err(error) = heir.ended().await {
                tracing::warn!(pid = heir.pid, %error, "a former program's child cannot be watched");
                return;
            }
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        });
    }
    Ok(())
}

fn leads_session(pid: i32) -> bool {
    let number = u32::try_from(pid).ok();
    number.and_then(|pid| stat(pid).ok().flatten()).is_some_and(|stat| stat.session == pid)
}

fn is_pid(stat: &Stat, pid: u32) -> bool {
    u32::try_from(stat.pid) == Ok(pid)
}

fn identity(stat: &Stat) -> Option<ProcessIdentity> {
    let pid = u32::try_from(stat.pid).ok()?;
    Some(ProcessIdentity { pid, start_ticks: stat.starttime })
}

/// A process whose first thread ended is shown as a zombie while its other threads run.
const fn lives(stat: &Stat) -> bool {
    match stat.state {
        'Z' => stat.num_threads > 1,
        'X' | 'x' => false,
        _ => true,
    }
}

fn stat(pid: u32) -> io::Result<Option<Stat>> {
    let pid = raw(pid)?.as_raw_pid();
    present(procfs::process::Process::new(pid).and_then(|process| process.stat()))
}

fn stats() -> io::Result<Vec<Stat>> {
    let mut stats = Vec::new();
    for process in procfs::process::all_processes().map_err(into_io)? {
        match process.and_then(|process| process.stat()) {
            // Hidden from this user (hidepid), and thus of another one, and none of ours.
            Err(ProcError::PermissionDenied(_)) => {}
            read => stats.extend(present(read)?),
        }
    }
    Ok(stats)
}

/// Turns "no such process", which may be said at any moment, into `None`.
fn present(read: Result<Stat, ProcError>) -> io::Result<Option<Stat>> {
    match read {
        Ok(stat) => Ok(Some(stat)),
        Err(ProcError::NotFound(_)) => Ok(None),
        Err(error) => {
            let error = into_io(error);
            let ended = error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error());
            if ended { Ok(None) } else { Err(error) }
        }
    }
}

fn into_io(error: ProcError) -> io::Error {
    match error {
        ProcError::Io(error, _) => error,
        other => io::Error::other(other.to_string()),
    }
}

fn raw(pid: u32) -> io::Result<Pid> {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a process id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_one_with_another_start_time_does_not() {
        let me = ProcessIdentity::of(std::process::id()).unwrap().unwrap();
        assert!(me.is_alive().unwrap());
        let other = ProcessIdentity { start_ticks: me.start_ticks + 1, ..me };
        assert!(!other.is_alive().unwrap());
        assert!(!other.signal(Signal::KILL).unwrap());
    }

    #[test]
    fn a_zombie_has_ended() {
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let identity = ProcessIdentity::of(child.id()).unwrap().unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while identity.is_alive().unwrap() {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        assert_eq!(ProcessIdentity::of(child.id()).unwrap(), Some(identity));
        child.wait().unwrap();
        assert_eq!(ProcessIdentity::of(child.id()).unwrap(), None);
    }
}
