//! What shall be started, and how it is asked to stop.

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

use quorate_model::{Generation, InstanceName};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::SupervisorError;

/// Everything needed to start an instance. Its `Debug` form shows no value of the environment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchSpec {
    /// The instance.
    pub instance: InstanceName,
    /// The program and its arguments; the program is looked up in the `PATH` of `env` when it has
    /// no slash.
    pub command: Vec<String>,
    /// The whole environment: nothing is inherited. See [`LaunchSpec::with_host_basics`].
    pub env: BTreeMap<String, String>,
    /// The folder it starts in; it must exist.
    pub working_dir: PathBuf,
    /// The generation it is started for.
    pub generation: Generation,
    /// When its output is rotated.
    pub log: LogRotation,
}

impl LaunchSpec {
    /// Adds this process's own `PATH`, `HOME`, `LANG` and `TZ` where `env` does not name them.
    #[must_use]
    pub fn with_host_basics(mut self) -> Self {
        for name in ["PATH", "HOME", "LANG", "TZ"] {
            if let Ok(value) = std::env::var(name) {
                self.env.entry(name.to_owned()).or_insert(value);
            }
        }
        self
    }

    /// SHA-256 of the command line and working folder, in hexadecimal. The environment is left
    /// out: a digest of a short secret would tell the secret.
    #[must_use]
    pub fn command_digest(&self) -> String {
        let mut hasher = Sha256::new();
        for part in &self.command {
            hasher.update(part.as_bytes());
            hasher.update([0]);
        }
        hasher.update(self.working_dir.as_os_str().as_encoded_bytes());
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Refuses what no system could start, before anything is touched.
    pub(crate) fn check(&self) -> Result<(), SupervisorError> {
        let refuse = |reason: &str| {
            Err(SupervisorError::SpecInvalid {
                instance: self.instance.clone(),
                reason: reason.to_owned(),
            })
        };
        if self.command.first().is_none_or(String::is_empty) {
            return refuse("the start command is empty");
        }
        if self.command.iter().any(|part| part.contains('\0')) {
            return refuse("the start command holds a NUL character");
        }
        if self.env.keys().any(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return refuse("the name of an environment variable is empty or holds `=` or NUL");
        }
        if self.env.values().any(|value| value.contains('\0')) {
            return refuse("the value of an environment variable holds a NUL character");
        }
        if !self.working_dir.is_absolute() {
            return refuse("the working folder is not an absolute path");
        }
        Ok(())
    }
}

impl fmt::Debug for LaunchSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaunchSpec")
            .field("instance", &self.instance)
            .field("command", &self.command)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("working_dir", &self.working_dir)
            .field("generation", &self.generation)
            .field("log", &self.log)
            .finish()
    }
}

/// When an instance's output is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRotation {
    /// A log file is rotated before it grows beyond this many bytes; a line that straddles the
    /// limit is finished first when it is not longer than 64 KiB.
    pub max_bytes: u64,
    /// How many rotated files are kept beside the current one.
    pub keep: u32,
}

impl Default for LogRotation {
    fn default() -> Self {
        Self { max_bytes: 16 * 1024 * 1024, keep: 4 }
    }
}

/// The signal that asks a component to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopSignal {
    /// SIGTERM.
    #[default]
    Term,
    /// SIGINT.
    Int,
    /// SIGQUIT.
    Quit,
}

impl StopSignal {
    pub(crate) const fn as_signal(self) -> Signal {
        match self {
            Self::Term => Signal::TERM,
            Self::Int => Signal::INT,
            Self::Quit => Signal::QUIT,
        }
    }
}

impl FromStr for StopSignal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("SIG").unwrap_or(text) {
            "TERM" => Ok(Self::Term),
            "INT" => Ok(Self::Int),
            "QUIT" => Ok(Self::Quit),
            _ => Err(format!("`{text}` is not a stop signal: use TERM, INT or QUIT")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> LaunchSpec {
        LaunchSpec {
            instance: InstanceName::new("db-1").unwrap(),
            command: vec!["/bin/true".into()],
            env: BTreeMap::from([("TOKEN".into(), "hunter2".into())]),
            working_dir: "/".into(),
            generation: Generation(1),
            log: LogRotation::default(),
        }
    }

    #[test]
    fn the_debug_form_shows_no_value_of_the_environment() {
        let shown = format!("{:?}", spec());
        assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_specification_that_no_system_could_start_is_refused() {
        assert!(spec().check().is_ok());
        assert!(LaunchSpec { command: vec![], ..spec() }.check().is_err());
        assert!(LaunchSpec { command: vec!["a\0b".into()], ..spec() }.check().is_err());
        assert!(LaunchSpec { working_dir: "data".into(), ..spec() }.check().is_err());
        let env = BTreeMap::from([("A=B".to_owned(), String::new())]);
        assert!(LaunchSpec { env, ..spec() }.check().is_err());
    }

    #[test]
    fn the_digest_tells_commands_apart_and_ignores_the_environment() {
        let other = LaunchSpec { command: vec!["/bin/false".into()], ..spec() };
        let env = LaunchSpec { env: BTreeMap::new(), ..spec() };
        assert_ne!(spec().command_digest(), other.command_digest());
        assert_eq!(spec().command_digest(), env.command_digest());
    }
}
