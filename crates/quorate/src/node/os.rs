//! The operating system's clock, and its errors in our words.

use std::{io, path::Path, sync::Arc, time::SystemTime};

use quorate_model::{Clock, Refusal, Timestamp, codes};

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemClock;

/// The system's clock, to be passed on.
pub(crate) fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Timestamp(now.saturating_add_signed(offset_ms()))
    }
}

/// How far off a test sets this node's clock. Active in debug builds only, and only when
/// `QUORATE_CLOCK_OFFSET` is set to a number of seconds, which may be negative.
#[cfg(debug_assertions)]
fn offset_ms() -> i64 {
    static OFFSET_MS: std::sync::LazyLock<i64> = std::sync::LazyLock::new(|| {
        let set = std::env::var("QUORATE_CLOCK_OFFSET").ok();
        set.and_then(|seconds| seconds.parse().ok()).map_or(0, |seconds: i64| seconds * 1000)
    });
    *OFFSET_MS
}

#[cfg(not(debug_assertions))]
const fn offset_ms() -> i64 {
    0
}

/// A file or folder that could not be used.
pub(crate) fn refuse_file(what: &str, path: &Path, error: &io::Error) -> Refusal {
    let refusal = match error.kind() {
        io::ErrorKind::StorageFull => {
            Refusal::new(codes::DISK_FULL, format!("cannot {what} {}", path.display()))
                .hint("free some space on that disk")
        }
        io::ErrorKind::PermissionDenied => {
            Refusal::new(codes::FILE_ACCESS, format!("cannot {what} {}", path.display()))
                .hint("run as the user that owns it, or move the folders with --root DIR")
        }
        io::ErrorKind::NotFound => {
            Refusal::new(codes::FILE_ACCESS, format!("cannot {what} {}", path.display()))
                .hint("see that it is there and spelt so")
        }
        _ => Refusal::new(codes::FILE_ACCESS, format!("cannot {what} {}", path.display())),
    };
    refusal.cause(error.to_string())
}

/// Holds a data folder for this process until it is dropped.
#[derive(Debug)]
pub(crate) struct DataLock {
    _file: std::fs::File,
}

/// Takes the data folder for this process.
pub(crate) fn lock_data_folder(data: &Path) -> Result<DataLock, Refusal> {
    let path = data.join("lock");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| refuse_file("open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(DataLock { _file: file }),
        Err(std::fs::TryLockError::WouldBlock) => Err(Refusal::new(
            codes::DATA_FOLDER_IN_USE,
            format!("another process runs on the data folder {}", data.display()),
        )
        .hint("a node runs on it already: stop that one first, or give this one its own --root")),
        Err(std::fs::TryLockError::Error(error)) => Err(refuse_file("lock", &path, &error)),
    }
}
