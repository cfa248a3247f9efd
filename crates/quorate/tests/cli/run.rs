//! Runs the binary in a world of its own.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::fake::Fake;

/// A node's folder and a home, both empty.
pub(crate) struct World {
    folder: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("run")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Lets the master answer on the node's socket.
    pub(crate) fn with(fake: &Fake) -> Self {
        let world = Self::new();
        fake.start_on_socket(&world.path().join("run/admin.sock"));
        world
    }

    pub(crate) async fn quorate(&self, args: &[&str]) -> Ran {
        self.quorate_reading(args, "").await
    }

    pub(crate) async fn quorate_reading(&self, args: &[&str], input: &str) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.path())
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("QUORATE_ROOT", self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let input = input.to_owned();
        let output = tokio::task::spawn_blocking(move || run(command, &input)).await.unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn run(mut command: Command, input: &str) -> Output {
    use std::io::Write;
    let mut child = command.spawn().unwrap();
    // A command that does not read its input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}
