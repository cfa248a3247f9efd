//! A child process that ends when its owner lets go of it.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::BenchError;

/// How much of a log is worth showing.
const LAST_LINES: usize = 12;

/// A running program. Dropping it kills it (SIGKILL, by its own handle) and waits for its end, so
/// nothing outlives the run and no later process can be hit in its place.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it with a clean environment; its output is appended to `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self, BenchError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let open = || {
            File::options().create(true).append(true).open(log).map_err(|source| BenchError::File {
                action: "open",
                path: log.into(),
                source,
            })
        };
        command.stdin(Stdio::null()).stdout(open()?).stderr(open()?);
        let child = command.spawn().map_err(|source| BenchError::Start { program, source })?;
        Ok(Self { child, log: log.into() })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end (SIGTERM).
    pub(crate) fn ask_to_end(&self) {
        if let Some(pid) = Pid::from_raw(self.pid().cast_signed()) {
            // An error means that it has ended already; its id is not given out before its end
            // was waited for.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)) | Err(_))
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A command that inherits nothing but `PATH`: a variable of the caller must not configure a
/// system under test.
pub(crate) fn clean_command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// The program's place in `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// What a short command printed, trimmed; `None` if it failed or said nothing.
pub(crate) fn output_of(mut command: Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_ends_with_its_owner_and_its_last_words_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = clean_command("sh");
        command.args(["-c", "echo hello; exec sleep 60"]);
        let mut process = Process::start(command, &folder.path().join("log")).unwrap();
        let proc = PathBuf::from(format!("/proc/{}", process.pid()));
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while process.log_tail() != "hello" {
            assert!(std::time::Instant::now() < until, "it says hello");
            std::thread::yield_now();
        }
        assert!(!process.has_ended() && proc.exists());
        drop(process);
        assert!(!proc.exists());
    }
}
