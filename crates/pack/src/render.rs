//! What rendering a component's instance gives: files, a start command, how to stop it.

use std::{collections::BTreeMap, path::PathBuf};

use quorate_model::{ComponentSpec, InstanceName, NodeId};
use serde::{Deserialize, Serialize};

/// Everything rendering may depend on; rendering the same context twice gives the same result.
#[derive(Debug, Clone)]
pub struct RenderContext<'a> {
    /// The whole component.
    pub component: &'a ComponentSpec,
    /// The instance to render.
    pub instance: &'a InstanceName,
    /// The host or IP address of every node that carries an instance of the component.
    pub addresses: &'a BTreeMap<NodeId, String>,
    /// The instance's own folder on this host; configuration goes below `config/`, data below
    /// `data/`, certificates below `tls/`.
    pub folder: PathBuf,
}

/// A file to be written before the start, when its content differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSpec {
    /// Where, absolute.
    pub path: PathBuf,
    /// The whole content.
    pub content: String,
    /// The permission bits, such as `0o600`.
    pub mode: u32,
}

/// A certificate the instance needs from the cluster's authority. The node manager makes the
/// private key on the host, has it signed by the leader, and writes three files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRequest {
    /// Where the certificate goes (PEM).
    pub cert_path: PathBuf,
    /// Where the private key goes (PEM, mode 0600).
    pub key_path: PathBuf,
    /// Where the authority's certificate goes (PEM).
    pub ca_path: PathBuf,
    /// The subject's common name.
    pub common_name: String,
    /// DNS names and IP addresses the certificate is valid for.
    pub names: Vec<String>,
}

/// Which signal asks the process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopSignal {
    /// SIGTERM.
    Term,
    /// SIGINT.
    Int,
    /// SIGQUIT.
    Quit,
}

/// When an instance's output is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRotation {
    /// A log file is rotated before it grows beyond this many bytes.
    pub max_bytes: u64,
    /// How many rotated files are kept.
    pub keep: u32,
}

impl Default for LogRotation {
    fn default() -> Self {
        Self { max_bytes: 16 * 1024 * 1024, keep: 4 }
    }
}

/// An instance made ready to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedInstance {
    /// The program and its arguments; the program is looked up in `PATH` when it has no slash.
    pub command: Vec<String>,
    /// The whole environment besides `PATH`, `HOME`, `LANG` and `TZ`, which are inherited. A
    /// clean environment keeps, for instance, a stray `PGPASSWORD` away from a database.
    pub env: BTreeMap<String, String>,
    /// The working folder; created when missing.
    pub working_dir: PathBuf,
    /// Files to write first.
    pub files: Vec<FileSpec>,
    /// Folders to create first (mode 0700).
    pub folders: Vec<PathBuf>,
    /// Certificates to have first.
    pub certificates: Vec<CertificateRequest>,
    /// How it is asked to stop.
    pub stop_signal: StopSignal,
    /// How long it may take to stop before it is killed, in milliseconds.
    pub stop_grace_ms: u64,
    /// TCP ports it listens on, for preflight and people.
    pub ports: Vec<u16>,
    /// How its output is rotated.
    pub log_rotation: LogRotation,
}
