//! One node of the throw-away cluster, and the `quorate` commands that drive it.

use std::{
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};

use quorate_model::{Refusal, codes};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
};

/// How long a node may take to stop before it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(12);
/// So many lines of a node's log are shown when it has ended.
const LAST_LINES: usize = 6;

/// A node's folder, its addresses and its process.
pub(super) struct NodeProcess {
    /// Its name.
    pub(super) name: String,
    /// The folder that holds all its folders.
    pub(super) root: PathBuf,
    child: Option<Child>,
}

impl NodeProcess {
    pub(super) fn new(base: &Path, name: &str) -> Self {
        Self { name: name.to_owned(), root: base.join(name), child: None }
    }

    /// Starts `quorate run`; its log goes to a file in the node's folder.
    pub(super) fn start(&mut self, root_key: Option<&str>) -> Result<(), Refusal> {
        let log = self.root.join("node.log");
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(|error| crate::node::refuse_file("open", &log, &error))?;
        let mut command = quorate(&self.root)?;
        command.args(["run", "--with-parent"]).stdin(Stdio::null()).stdout(Stdio::null());
        // A terminal's Ctrl-C goes to its whole process group; the nodes are stopped in order
        // instead.
        command.stderr(file).process_group(0);
        if let Some(root_key) = root_key {
            command.env(quorate_keyring::ROOT_KEY_VARIABLE, root_key);
        }
        self.child = Some(command.spawn().map_err(|error| spawn_failed(&error))?);
        Ok(())
    }

    /// Whether the process has ended, with the end of its log as the reason.
    pub(super) fn ended(&mut self) -> Option<Refusal> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        let log = self.root.join("node.log");
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        Some(ended(&self.name, status, &text, &log))
    }

    /// Stops the process, first kindly.
    pub(super) async fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok())
            && let Some(pid) = rustix::process::Pid::from_raw(pid)
        {
            // It may have ended by itself meanwhile; it is our unreaped child, so the number is
            // still its own.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if tokio::time::timeout(STOP_DEADLINE, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
    }
}

/// Why the whole cluster ends with one of its nodes.
fn ended(name: &str, status: ExitStatus, log: &str, path: &Path) -> Refusal {
    let end: Vec<&str> = log.lines().rev().take(LAST_LINES).collect();
    let end: Vec<&str> = end.into_iter().rev().collect();
    let by = match status.signal() {
        Some(_) => "it was ended from outside: by somebody's signal, or for want of memory",
        None if status.success() => "it was asked to stop, or removed from the cluster",
        None => "it ended by itself",
    };
    let cause = match end.as_slice() {
        [] => format!("{by}; its log is empty"),
        lines => format!("{by}; its log ends with:\n{}", lines.join("\n")),
    };
    Refusal::new(codes::DEV_NODE_ENDED, format!("node `{name}` ended ({status})"))
        .cause(cause)
        .hint(format!(
            "its whole log: {}\nlook there, remove the folder, and begin again",
            path.display()
        ))
}

/// A `quorate` command for the node with this root folder.
fn quorate(root: &Path) -> Result<Command, Refusal> {
    let program = std::env::current_exe().map_err(|error| spawn_failed(&error))?;
    let mut command = Command::new(program);
    // What the caller's environment says about another cluster is not meant for this one.
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"QUORATE_") {
            command.env_remove(name);
        }
    }
    command.env("QUORATE_ROOT", root).env("NO_COLOR", "1");
    Ok(command)
}

/// Runs a `quorate` command to its end and returns what it printed.
pub(super) async fn call(
    root: &Path,
    args: &[&str],
    input: &str,
    root_key: Option<&str>,
) -> Result<String, Refusal> {
    let output = output(root, args, input, root_key).await?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    // Arguments may hold a join token, so only the command's own words are named.
    let words: Vec<&str> = args.iter().copied().take_while(|arg| arg.len() < 32).collect();
    Err(Refusal::new(codes::INTERNAL, format!("`quorate {}` failed", words.join(" ")))
        .cause(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// Runs a `quorate` command to its end, whatever that is.
pub(super) async fn output(
    root: &Path,
    args: &[&str],
    input: &str,
    root_key: Option<&str>,
) -> Result<Output, Refusal> {
    let mut command = quorate(root)?;
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    if let Some(root_key) = root_key {
        command.env(quorate_keyring::ROOT_KEY_VARIABLE, root_key);
    }
    let mut child = command.spawn().map_err(|error| spawn_failed(&error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input may have closed it.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    child.wait_with_output().await.map_err(|error| spawn_failed(&error))
}

fn spawn_failed(error: &std::io::Error) -> Refusal {
    Refusal::new(codes::INTERNAL, "cannot start a process of this binary").cause(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_ended_is_named_with_how_and_with_the_end_of_its_log() {
        let log: String = (1..=9).map(|line| format!("line {line}\n")).collect();
        let path = Path::new("/tmp/quorate-dev-1/m2/node.log");
        let killed = ended("m2", ExitStatus::from_raw(9), &log, path);
        assert_eq!(killed.message, "node `m2` ended (signal: 9 (SIGKILL))");
        let cause = killed.cause.unwrap();
        assert!(cause.starts_with("it was ended from outside"), "{cause}");
        assert!(cause.ends_with("ends with:\nline 4\nline 5\nline 6\nline 7\nline 8\nline 9"));
        assert!(killed.hint.unwrap().contains("/tmp/quorate-dev-1/m2/node.log"));
        let failed = ended("m2", ExitStatus::from_raw(1 << 8), "", path);
        assert_eq!(failed.code, codes::DEV_NODE_ENDED);
        assert_eq!(failed.cause.unwrap(), "it ended by itself; its log is empty");
    }
}
