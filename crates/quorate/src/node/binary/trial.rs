//! An upgrade of this node, seen through: going on as the new binary, confirming it once it is
//! ready, going back when it is not.
//!
//! Whoever starts the node starts the installed file. Its first act is to go on as the binary that
//! the record names, so that no file of a package is ever written. An attempt is marked as begun
//! before the process becomes the new binary: a start that finds such a mark, and is not that very
//! process, knows that the new binary has ended unconfirmed, and goes back.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use quorate_model::{Refusal, codes};
use tokio::sync::watch;
use tracing::{info, warn};

use super::{
    record::{Attempt, Known, Record, is_staged},
    store::{Binaries, check_digest},
};
use crate::node::{Folders, orders::Orders, os::lock_data_folder, reexec::Image};

/// The attempt that this process is.
#[derive(Debug, Clone)]
pub(in crate::node) struct Trial {
    folders: Folders,
    attempt: Attempt,
    open: Arc<AtomicBool>,
}

/// Goes on as the binary that this node shall run; returns when that is this very process, with the
/// attempt that it is, if it is one.
pub(in crate::node) fn follow(folders: &Folders, image: &Image) -> Result<Option<Trial>, Refusal> {
    let Some(mut record) = Record::load(folders)? else { return Ok(None) };
    if record.attempt.is_some() {
        // Not beside a process that is the attempt.
        let lock = lock_data_folder(&folders.data)?;
        let Some(now) = Record::load(folders)? else { return Ok(None) };
        record = now;
        if let Some(trial) = go_on_with_attempt(folders, image, &mut record)? {
            return Ok(Some(trial));
        }
        drop(lock);
    }
    go_on_as_current(folders, image, record);
    Ok(None)
}

/// Becomes the new binary, or is it, or gives the attempt up.
fn go_on_with_attempt(
    folders: &Folders,
    image: &Image,
    record: &mut Record,
) -> Result<Option<Trial>, Refusal> {
    let Some(mut attempt) = record.attempt.clone() else { return Ok(None) };
    let to = Binaries::of(folders).file(&attempt.binary.sha256);
    let me = std::process::id();
    let cause = match attempt.begun_by {
        None => {
            attempt.begun_by = Some(me);
            record.attempt = Some(attempt.clone());
            record.store(folders)?;
            info!(version = %attempt.binary.version, "going on as another binary");
            format!("it cannot be started: {}", image.become_program(&to))
        }
        Some(pid) if pid == me && is_same(image.program(), &to) => {
            let open = Arc::new(AtomicBool::new(true));
            return Ok(Some(Trial { folders: folders.clone(), attempt, open }));
        }
        Some(_) => "it ended before it was ready".to_owned(),
    };
    if let Err(refusal) = give_up(folders, record, &attempt, &cause) {
        // A disk that is full keeps no node down that would run: the next start gives it up again.
        warn!(code = %refusal.code, "that the attempt has failed cannot be written: {refusal}");
    }
    Ok(None)
}

/// Writes down that the attempt has failed: first for the operation, then for the next start.
fn give_up(
    folders: &Folders,
    record: &mut Record,
    attempt: &Attempt,
    cause: &str,
) -> Result<(), Refusal> {
    let refusal = Refusal::new(
        codes::UPGRADE_ROLLED_BACK,
        format!("the node goes back: {} did not become ready", attempt.binary.version),
    )
    .cause(cause)
    .hint("it runs the binary it ran before; see what the new one logged there");
    warn!(code = %refusal.code, cause, "{refusal}");
    Orders::note_failure(folders, attempt.generation, refusal)?;
    record.attempt = None;
    record.store(folders)
}

/// Becomes the binary that was confirmed last, unless this process is it or the installed one is
/// newer. Where that cannot be, this process goes on as it is: it reads what it wrote.
fn go_on_as_current(folders: &Folders, image: &Image, mut record: Record) {
    let program = image.program();
    let Some(current) = record.current.clone() else {
        if is_staged(folders, program) {
            let error = image.become_program(&record.installed);
            warn!(%error, installed = %record.installed.display(), "the installed binary cannot be started");
        }
        return;
    };
    let file = Binaries::of(folders).file(&current.sha256);
    if is_same(program, &file) {
        return;
    }
    if !is_staged(folders, program) && is_newer(super::version(), &current.version) {
        info!(installed = super::version(), before = %current.version, "the installed binary is newer");
        record.current = None;
        program.clone_into(&mut record.installed);
        if let Err(refusal) = record.store(folders) {
            warn!(code = %refusal.code, "{refusal}");
        }
        return;
    }
    if let Err(refusal) = check_digest(&file, &current.sha256) {
        warn!(code = %refusal.code, version = %current.version,
            "going on as the installed binary: {refusal}");
        return;
    }
    let error = image.become_program(&file);
    warn!(%error, file = %file.display(), "going on as the installed binary");
}

fn is_same(program: &Path, other: &Path) -> bool {
    let real = |path: &Path| -> Option<PathBuf> { fs::canonicalize(path).ok() };
    real(program).is_some_and(|program| Some(program) == real(other))
}

/// Whether a version is newer than another, as far as their numbers tell.
fn is_newer(version: &str, than: &str) -> bool {
    let numbers = |text: &str| -> Option<Vec<u64>> {
        let text = text.split(['-', '+']).next()?;
        text.split('.').map(|number| number.parse().ok()).collect()
    };
    match (numbers(version), numbers(than)) {
        (Some(version), Some(than)) => version > than,
        _ => false,
    }
}

impl Trial {
    /// Whether it is neither confirmed nor given up.
    pub(in crate::node) fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst)
    }

    /// Waits until the node is well, and confirms the new binary then. True when it was not in
    /// time, and the process shall go back.
    pub(in crate::node) async fn watch(
        &self,
        mut well: watch::Receiver<bool>,
        missing: impl Fn() -> String,
        orders: &Orders,
    ) -> bool {
        let within = Duration::from_millis(self.attempt.ready_within_ms);
        if tokio::time::timeout(within, well.wait_for(|well| *well)).await.is_ok() {
            match self.confirm(orders) {
                Ok(()) => return false,
                Err(refusal) => {
                    warn!(code = %refusal.code, "cannot confirm the upgrade: {refusal}")
                }
            }
        }
        let seconds = within.as_secs_f32();
        self.roll_back(&format!("it was not ready within {seconds:.0} s: {}", missing()));
        true
    }

    fn confirm(&self, orders: &Orders) -> Result<(), Refusal> {
        let Some(mut record) = Record::load(&self.folders)? else {
            return Err(Refusal::new(codes::FILE_ACCESS, "upgrade.json is gone"));
        };
        let binary: Known = self.attempt.binary.clone();
        record.current = Some(binary.clone());
        record.attempt = None;
        record.store(&self.folders)?;
        self.open.store(false, Ordering::SeqCst);
        info!(version = %binary.version, "the upgrade is confirmed");
        orders.done(self.attempt.generation, format!("it runs {}", binary.version))?;
        Binaries::of(&self.folders).keep_only(&binary.sha256);
        Ok(())
    }

    /// Writes down that the attempt has failed; the process is to go back then.
    pub(in crate::node) fn roll_back(&self, cause: &str) {
        self.open.store(false, Ordering::SeqCst);
        let given_up = Record::load(&self.folders).and_then(|record| match record {
            Some(mut record) => give_up(&self.folders, &mut record, &self.attempt, cause),
            None => Ok(()),
        });
        if let Err(refusal) = given_up {
            // The next start finds the attempt begun, and gives it up.
            warn!(code = %refusal.code, "{refusal}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_newer_by_its_numbers() {
        for (version, than, newer) in [
            ("0.1.1", "0.1.0", true),
            ("0.10.0", "0.9.9", true),
            ("1.0.0", "1.0.0", false),
            ("1.0.0-rc.1", "1.0.0", false),
            ("0.1.0", "0.2.0", false),
            ("nightly", "0.1.0", false),
        ] {
            assert_eq!(is_newer(version, than), newer, "{version} {than}");
        }
    }
}
