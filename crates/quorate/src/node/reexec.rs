//! Beginning anew in place: this process becomes the program at its path, with the command line
//! and the environment it was started with.
//!
//! The process id stays, and so do pid files, what systemd knows, and the instances' shims, which
//! are no business of the masters' restart. Every socket and lock is closed by the kernel: they
//! are all marked to close when another program takes over.

use std::{
    ffi::OsString,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use quorate_model::{Refusal, codes};

/// How long the program may take to say its version.
const CHECK_DEADLINE: Duration = Duration::from_secs(10);

/// What this process was started as.
#[derive(Debug, Clone)]
pub(super) struct Image {
    /// Where the program lies. Read at the start: once the file was replaced, the kernel names the
    /// old one.
    program: PathBuf,
    name: Option<OsString>,
    arguments: Vec<OsString>,
}

impl Image {
    /// The image of this very process; to be called at its start.
    pub(super) fn of_this_process() -> Result<Self, Refusal> {
        let program = std::env::current_exe().map_err(|error| {
            Refusal::new(codes::INTERNAL, "cannot tell which file this process was started from")
                .cause(error.to_string())
        })?;
        let mut arguments = std::env::args_os();
        Ok(Self { program, name: arguments.next(), arguments: arguments.collect() })
    }

    #[cfg(test)]
    pub(super) fn of_program(program: PathBuf) -> Self {
        Self { program, name: None, arguments: Vec::new() }
    }

    /// The file this process was started from.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// The command line without the program's name.
    pub(super) fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// The command line of the node that a guard watches.
    pub(super) fn without_guard(mut self) -> Self {
        self.arguments.retain(|word| !word.as_encoded_bytes().starts_with(b"--guard="));
        self
    }

    /// The same command line for another file.
    pub(super) fn with_program(mut self, program: PathBuf) -> Self {
        self.program = program;
        self
    }

    /// Becomes another program with this command line. Returns only when that is not possible.
    pub(super) fn become_program(&self, program: &Path) -> io::Error {
        self.replace(program)
    }

    /// Whether the program at the path runs at all: a node must not stop for a program that will
    /// not start.
    pub(super) async fn check(&self) -> Result<(), String> {
        let mut version = tokio::process::Command::new(&self.program);
        version.arg("version").env_clear();
        version.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        version.kill_on_drop(true);
        let program = self.program.display();
        match tokio::time::timeout(CHECK_DEADLINE, version.status()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("`{program} version` ended with {status}")),
            Ok(Err(error)) => Err(format!("`{program}` cannot be started: {error}")),
            Err(_) => Err(format!("`{program} version` did not end in time")),
        }
    }

    /// Becomes the program. Returns only when that is not possible.
    pub(super) fn begin_anew(&self) -> Refusal {
        let error = self.replace(&self.program);
        Refusal::new(codes::FILE_ACCESS, format!("cannot begin anew as {}", self.program.display()))
            .cause(error.to_string())
            .hint("this node has stopped; put the program back and start it")
    }

    fn replace(&self, program: &Path) -> io::Error {
        let mut command = Command::new(program);
        if let Some(name) = &self.name {
            command.arg0(name);
        }
        command.args(&self.arguments).exec()
    }
}
