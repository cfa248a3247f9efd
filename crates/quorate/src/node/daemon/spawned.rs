//! The process that `start` has started, until it is ready or has ended.

use std::{
    fs::File,
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use quorate_api::ErrorBody;
use quorate_model::{Refusal, codes};

use super::StartArgs;
use crate::{
    node::{Folders, os::refuse_file},
    ui::Failure,
};

/// As much of a dead process's last words is shown.
const LAST_WORDS: u64 = 16 * 1024;

/// A node's process, started by this one.
pub(super) struct Spawned {
    child: Child,
    /// What it wrote to stderr: why it ended, or what broke it.
    stderr: PathBuf,
}

impl Spawned {
    /// Starts `quorate run` in the background.
    pub(super) fn new(args: &StartArgs, folders: &Folders) -> Result<Self, Refusal> {
        folders.create()?;
        let stderr = folders.log.join("quorate.err");
        let file = File::options()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&stderr)
            .map_err(|error| refuse_file("open", &stderr, &error))?;
        let program = std::env::current_exe().map_err(|error| cannot_spawn(&error))?;
        let mut command = Command::new(program);
        // Its last words are read by this process, so they come as data.
        command.args(["--output", "json", "run", "--background"]);
        for (flag, folder) in [
            ("--config-dir", &folders.config),
            ("--data-dir", &folders.data),
            ("--log-dir", &folders.log),
            ("--run-dir", &folders.run),
        ] {
            command.arg(flag).arg(folder);
        }
        let addresses = [
            ("--admin-addr", &args.listen.admin_addr),
            ("--internal-addr", &args.listen.internal_addr),
        ];
        for (flag, addr) in addresses {
            if let Some(addr) = addr {
                command.args([flag, addr]);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).current_dir("/");
        let child = command.spawn().map_err(|error| cannot_spawn(&error))?;
        Ok(Self { child, stderr })
    }

    /// Its pid.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Why it has ended, if it has.
    pub(super) fn ended(&mut self) -> Option<Failure> {
        let status = self.child.try_wait().ok()??;
        let words = last_words(&self.stderr);
        Some(failure(status, &words))
    }
}

/// Why a process has ended: in its own words with its own exit code, if it found any.
fn failure(status: ExitStatus, words: &str) -> Failure {
    let said: Option<ErrorBody> =
        words.find('{').and_then(|begin| serde_json::from_str(&words[begin..]).ok());
    match said {
        Some(body) => {
            let failure = Failure::from(body);
            match status.code().and_then(|code| u8::try_from(code).ok()) {
                Some(code) if code != 0 => failure.exiting(code),
                _ => failure,
            }
        }
        None => {
            let words = words.trim();
            let said = if words.is_empty() { String::new() } else { format!("; it said: {words}") };
            Refusal::new(codes::NODE_DID_NOT_START, "the node ended while it started")
                .cause(format!("{status}{said}"))
                .hint("start it in the foreground to see more: quorate run")
                .into()
        }
    }
}

fn last_words(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        // What can be read is shown.
        let _ = file.take(LAST_WORDS).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn cannot_spawn(error: &std::io::Error) -> Refusal {
    Refusal::new(codes::NODE_DID_NOT_START, "the node's process cannot be started")
        .cause(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_node_that_ended_is_quoted_with_its_code_and_one_that_was_killed_is_told() {
        let refusal = Refusal::new(codes::ADDRESS_IN_USE, "the admin address is in use");
        let json = serde_json::to_string_pretty(&ErrorBody::new(refusal, "")).unwrap();
        let told = failure(ExitStatus::from_raw(1 << 8), &format!("some noise\n{json}\n"));
        assert_eq!((told.body.code, told.exit), (codes::ADDRESS_IN_USE, 1));
        let killed = failure(ExitStatus::from_raw(9), "");
        assert_eq!(killed.body.code, codes::NODE_DID_NOT_START);
        assert!(killed.body.cause.unwrap().contains("signal: 9"));
    }
}
