//! The log of this process: on stderr, or for a daemon in a file of its log folder.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use quorate_supervisor::{LogRotation, LogWriter};
use tracing_subscriber::EnvFilter;

use crate::cli::Command;

/// The log of a daemon: at most this size, and as many older ones beside it.
const ROTATION: LogRotation = LogRotation { max_bytes: 16 * 1024 * 1024, keep: 4 };

/// Where a daemon logs to.
pub(crate) fn file(log_folder: &Path) -> PathBuf {
    log_folder.join("quorate.log")
}

/// Begins the log: a running node's always, other commands' when `-v` asks for it; in the file
/// `log` if one is given. `RUST_LOG` overrides both.
pub(crate) fn init(command: &Command, verbose: u8, log: Option<PathBuf>) {
    let is_node = matches!(command, Command::Run(_));
    // The engine warns twice a second of every peer that is away; `status` says that once.
    let level = match (is_node, verbose) {
        (true, 0) => "info,openraft=error",
        (false, 0) => "off",
        (_, 1) => "debug,openraft=info,hyper_util=info,h2=info",
        (_, _) => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    // A line that cannot be written, as on a full disk, is lost. The default is to say so on stderr,
    // which often is that very log: that panics, and takes the task along that only wanted to log.
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    // There is one log for each process, and it begins here: nobody can have begun it before.
    if let Some(log) = log {
        let writer = Mutex::new(Rotated(LogWriter::open(log, ROTATION)));
        let _ = subscriber.with_ansi(false).with_writer(writer).try_init();
    } else {
        // Colours are for terminals; `NO_COLOR` is seen to by the subscriber itself.
        let colour = io::IsTerminal::is_terminal(&io::stderr());
        let _ = subscriber.with_ansi(colour).with_writer(io::stderr).try_init();
    }
}

/// A rotated log. What the disk does not take is counted and told there later; it stops nobody.
struct Rotated(LogWriter);

impl io::Write for Rotated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_daemons_log_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let rotation = LogRotation { max_bytes: 1000, keep: 2 };
        let mut log = Rotated(LogWriter::open(file(folder.path()), rotation));
        for number in 0..500 {
            log.write_all(format!("line {number} of the log\n").as_bytes()).unwrap();
        }
        let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().collect();
        assert_eq!(files.len(), 3);
        assert!(files.iter().all(|file| file.metadata().unwrap().len() <= 1000));
        let newest = std::fs::read_to_string(file(folder.path())).unwrap();
        assert!(newest.ends_with("line 499 of the log\n"), "{newest}");
    }
}
