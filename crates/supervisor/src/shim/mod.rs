//! The shim: the small process each instance runs under, which outlives the node manager.
//!
//! It takes its lock, reads what to start, records itself, starts the component, records that,
//! copies output to the log, and at the component's end clears the rest of its process group and
//! records how it ended. It keeps running through SIGINT and SIGHUP, and passes SIGTERM on.

mod component;
mod log_writer;
mod spec;

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use quorate_model::Clock;
use rustix::process::{Signal, getpid, set_child_subreaper};
use tokio::{
    net::unix::pipe,
    signal::unix::{SignalKind, signal},
};

use self::component::Component;
pub use self::log_writer::LogWriter;
pub(crate) use self::spec::ShimSpec;
use crate::{
    SupervisorError,
    folder::InstanceFolder,
    handle::{End, Handle, VERSION},
    process::{ProcessIdentity, boot_id, lead_session},
};

/// How long the lock may be held by a probe or by a shim that is just leaving.
const LOCK_DEADLINE: Duration = Duration::from_secs(2);
/// How often the end is tried to be recorded while the disk refuses, and how long in between.
const RECORD_ATTEMPTS: u32 = 40;
const RECORD_INTERVAL: Duration = Duration::from_millis(250);
/// Output is copied in pieces of this size, which is also what a pipe holds.
const PIECE_BYTES: usize = 64 * 1024;
/// How much output that was still in the pipe is copied after the component's end. Only a
/// process that left the group and kept the pipe could write more.
const DRAIN_BYTES: usize = 4 * 1024 * 1024;

/// Why a shim gave up before it had anything to supervise.
#[derive(Debug, thiserror::Error)]
enum ShimError {
    #[error("cannot {action}: {source}")]
    Prepare { action: &'static str, source: std::io::Error },
    #[error("cannot read the specification {}: {reason}", path.display())]
    Spec { path: PathBuf, reason: String },
    #[error("another shim is at work in {}", path.display())]
    Taken { path: PathBuf },
    #[error("{error}: {}", std::error::Error::source(error).map_or_else(String::new, ToString::to_string))]
    Folder {
        #[from]
        error: SupervisorError,
    },
}

fn prepare<E: Into<std::io::Error>>(action: &'static str) -> impl FnOnce(E) -> ShimError {
    move |error| ShimError::Prepare { action, source: error.into() }
}

/// Runs as the shim of one instance until its component has ended: what the hidden `shim`
/// subcommand does, before it builds anything else. `spec_path` is the file that the supervisor
/// wrote; it is removed as soon as it has been read.
///
/// The calling process must not lead a process group (it becomes the leader of a new session).
#[must_use]
pub fn run(spec_path: &Path, clock: &dyn Clock) -> ExitCode {
    match try_run(spec_path, clock) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is the instance's `shim.err`; where it cannot be written there is
            // nobody left to tell.
            drop(writeln!(std::io::stderr(), "{error}"));
            ExitCode::FAILURE
        }
    }
}

fn try_run(spec_path: &Path, clock: &dyn Clock) -> Result<(), ShimError> {
    // Its own session: a terminal's signals, and a signal to the node manager's group, pass by.
    lead_session().map_err(prepare("open a new session"))?;
    // Orphaned grandchildren become ours, so they can be waited for.
    set_child_subreaper(Some(getpid())).map_err(prepare("become a subreaper"))?;
    let path = spec_path.parent().unwrap_or_else(|| Path::new("/"));
    let folder = InstanceFolder::new(path.to_owned());
    let _lock = take_lock(&folder)?;
    let spec = read_spec(spec_path)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(prepare("start the runtime"))?;
    runtime.block_on(supervise(&spec, &folder, clock))
}

/// Becomes the one shim of the instance. Held until this process ends, however it does.
fn take_lock(folder: &InstanceFolder) -> Result<File, ShimError> {
    let deadline = Instant::now() + LOCK_DEADLINE;
    loop {
        if let Some(lock) = folder.try_shim_lock()? {
            return Ok(lock);
        }
        if Instant::now() >= deadline {
            return Err(ShimError::Taken { path: folder.path().to_owned() });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn read_spec(path: &Path) -> Result<ShimSpec, ShimError> {
    let fail = |reason: String| ShimError::Spec { path: path.to_owned(), reason };
    let bytes = fs::read(path).map_err(|error| fail(error.to_string()))?;
    fs::remove_file(path).map_err(|error| fail(error.to_string()))?;
    let spec: ShimSpec = serde_json::from_slice(&bytes).map_err(|error| fail(error.to_string()))?;
    if spec.version > spec::VERSION {
        return Err(fail(format!("its version {} is newer than this binary", spec.version)));
    }
    Ok(spec)
}

async fn supervise(
    spec: &ShimSpec,
    folder: &InstanceFolder,
    clock: &dyn Clock,
) -> Result<(), ShimError> {
    let mut child_ended = signal(SignalKind::child()).map_err(prepare("watch for SIGCHLD"))?;
    let mut asked_to_stop =
        signal(SignalKind::terminate()).map_err(prepare("watch for SIGTERM"))?;
    // Caught and not looked at. They are caught rather than ignored because an ignored signal
    // would stay ignored in the component.
    let _unheeded = [SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()]
        .map(signal)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(prepare("watch for SIGINT"))?;

    let mut handle = Handle {
        version: VERSION,
        instance: spec.launch.instance.clone(),
        generation: spec.launch.generation,
        boot_id: boot_id().map_err(prepare("read the boot id"))?,
        shim: identify(std::process::id())?,
        component: None,
        started_at: clock.now(),
        command_digest: spec.launch.command_digest(),
        end: None,
    };
    // Recorded before anything is started: should this process die right after the start, the
    // component can still be found as the child of this session.
    handle.write(folder)?;
    let (mut component, mut output) = match Component::start(&spec.launch, clock) {
        Ok(started) => started,
        Err(failure) => {
            handle.end = Some(End::StartFailed { failure });
            return Ok(handle.write(folder)?);
        }
    };
    let recorded = identify(component.pid()).and_then(|identity| {
        handle.component = Some(identity);
        handle.started_at = clock.now();
        Ok(handle.write(folder)?)
    });
    if let Err(error) = recorded {
        // What cannot be found again must not run.
        component.signal(Signal::KILL);
        component.finish().await;
        return Err(error);
    }

    let mut log = LogWriter::open(spec.log_path.clone(), spec.launch.log);
    let mut piece = vec![0; PIECE_BYTES];
    let mut open = true;
    loop {
        tokio::select! {
            ready = output.readable(), if open => {
                open = ready.is_ok() && copy_piece(&mut output, &mut piece, &mut log).is_open();
            }
            _ = asked_to_stop.recv() => component.signal(Signal::TERM),
            _ = child_ended.recv() => {
                if component.has_ended() {
                    break;
                }
                component.reap_orphans();
            }
        }
    }
    let status = component.finish().await;
    let mut drained = 0;
    while let Copied::Bytes(bytes) = copy_piece(&mut output, &mut piece, &mut log)
        && drained < DRAIN_BYTES
    {
        drained += bytes;
    }
    let dropped_log_bytes = log.close();
    handle.end = Some(End::Exited { status, at: clock.now(), dropped_log_bytes });
    record_end(&handle, folder).await
}

/// Records the end, again and again while the disk refuses: nobody else knows the exit status.
async fn record_end(handle: &Handle, folder: &InstanceFolder) -> Result<(), ShimError> {
    let mut attempt = 1;
    loop {
        match handle.write(folder) {
            Ok(()) => return Ok(()),
            Err(error) if attempt == RECORD_ATTEMPTS => return Err(error.into()),
            Err(_) => {
                attempt += 1;
                tokio::time::sleep(RECORD_INTERVAL).await;
            }
        }
    }
}

fn identify(pid: u32) -> Result<ProcessIdentity, ShimError> {
    ProcessIdentity::of(pid)
        .and_then(|found| found.ok_or_else(|| std::io::ErrorKind::NotFound.into()))
        .map_err(prepare("read the start time of a process"))
}

/// What one reading of the component's output gave.
enum Copied {
    Bytes(usize),
    NothingNow,
    Closed,
}

impl Copied {
    const fn is_open(&self) -> bool {
        !matches!(self, Self::Closed)
    }
}

fn copy_piece(output: &mut pipe::Receiver, piece: &mut [u8], log: &mut LogWriter) -> Copied {
    match output.try_read(piece) {
        Ok(0) => Copied::Closed,
        Ok(count) => {
            log.write(&piece[..count]);
            Copied::Bytes(count)
        }
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Copied::NothingNow,
        Err(_) => Copied::Closed,
    }
}
