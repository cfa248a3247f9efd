//! One node as a process: its folder, its ports, its life and death.

use std::{
    fs::File,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::hosts;

/// A port that nothing listens on now. Ports are given out upwards and never twice by one test
/// process, each test process beginning elsewhere.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Below the kernel's ephemeral range (32768 and up), so that no outgoing connection takes a
    // port between its choice here and its use.
    let base = 20_000 + u16::try_from(std::process::id() % 120).unwrap_or(0) * 100;
    for _ in 0..2000 {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed) % 2000;
        let port = 20_000 + (base - 20_000 + offset) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

/// Takes away what the environment of the tests says about another cluster.
pub fn without_surroundings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"QUORATE_") {
            command.env_remove(name);
        }
    }
}

/// A node's process and its surroundings.
#[derive(Debug)]
pub struct NodeHandle {
    /// Its name.
    pub name: String,
    /// The folder that holds all its folders.
    pub root: PathBuf,
    /// Its admin port; 0 for a node manager.
    pub admin_port: u16,
    /// Its internal port; 0 for a node manager.
    pub internal_port: u16,
    /// Its host's address.
    pub address: Ipv4Addr,
    /// Its host's network namespace, when it has a host of its own.
    namespace: Option<String>,
    binary: PathBuf,
    root_key: Option<String>,
    env: Vec<(String, String)>,
    child: Option<Child>,
    own_disk: bool,
    /// Its elections are slow.
    pub(crate) calm: bool,
}

impl NodeHandle {
    pub(crate) fn new(binary: &Path, base: &Path, name: &str, root_key: Option<&str>) -> Self {
        let is_master = root_key.is_some();
        let port = || if is_master { free_port() } else { 0 };
        let root = base.join(name);
        std::fs::create_dir_all(&root).unwrap();
        Self {
            name: name.to_owned(),
            root,
            admin_port: port(),
            internal_port: port(),
            address: Ipv4Addr::LOCALHOST,
            namespace: None,
            binary: binary.to_owned(),
            root_key: root_key.map(str::to_owned),
            env: Vec::new(),
            child: None,
            own_disk: false,
            calm: false,
        }
    }

    /// A further node of the same kind, with the same binary and root key.
    pub(crate) fn another(&self, base: &Path, name: &str) -> Self {
        Self::new(&self.binary, base, name, self.root_key.as_deref())
    }

    /// Puts the node on a host of its own.
    pub(crate) fn put_on_host(&mut self, namespace: String, address: Ipv4Addr) {
        self.namespace = Some(namespace);
        self.address = address;
    }

    /// Puts the node's folder on a small disk of its own (a tmpfs; needs root).
    ///
    /// # Panics
    /// When it cannot be mounted.
    pub(crate) fn put_on_own_disk(&mut self, mebibytes: u32) {
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"])
            .arg(&self.root)
            .status()
            .unwrap();
        assert!(status.success(), "cannot mount a tmpfs; the tests run as root");
        self.own_disk = true;
    }

    /// Sets a variable for the next start.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Runs another binary from the next start on, as an upgrade does.
    pub fn use_binary(&mut self, binary: &Path) {
        binary.clone_into(&mut self.binary);
    }

    /// A `quorate` command in this node's surroundings, on its host.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = match &self.namespace {
            Some(namespace) => hosts::enter(namespace, &self.binary),
            None => Command::new(&self.binary),
        };
        without_surroundings(&mut command);
        command.args(args).env("QUORATE_ROOT", &self.root).env("NO_COLOR", "1");
        command.stdin(Stdio::null());
        command
    }

    /// Runs a `quorate` command to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn call(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        if let Some(root_key) = &self.root_key {
            command.env("QUORATE_ROOT_KEY", root_key);
        }
        command.output().unwrap()
    }

    /// Runs a `quorate` command that must succeed, and returns what it printed.
    ///
    /// # Panics
    /// When it fails, with its words.
    #[must_use]
    pub fn must(&self, args: &[&str]) -> String {
        self.printed_by(args, &self.call(args))
    }

    /// Makes the node, by `init` or `join`, under the variables that its process will have.
    pub(crate) fn make(&self, args: &[&str]) {
        let mut command = self.command(args);
        if let Some(root_key) = &self.root_key {
            command.env("QUORATE_ROOT_KEY", root_key);
        }
        for (name, value) in &self.env {
            command.env(name, value);
        }
        drop(self.printed_by(args, &command.output().unwrap()));
    }

    fn printed_by(&self, args: &[&str], output: &Output) -> String {
        assert!(
            output.status.success(),
            "`quorate {}` on {}: {}\n{}{}",
            args.join(" "),
            self.name,
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Starts `quorate run`; its words go to `node.log` in its folder.
    ///
    /// # Panics
    /// When it runs already or cannot be started.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        if self.calm {
            self.slow_elections();
        }
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut command = self.command(&["run", "--with-parent"]);
        command.stdout(Stdio::null()).stderr(log);
        if let Some(root_key) = &self.root_key {
            command.env("QUORATE_ROOT_KEY", root_key);
        }
        for (name, value) in &self.env {
            command.env(name, value);
        }
        self.child = Some(command.spawn().unwrap());
    }

    fn slow_elections(&self) {
        let path = self.root.join("etc/quorate.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        if !config.contains("heartbeat_ms") {
            let timings = "heartbeat_ms = 300\nelection_min_ms = 2000\nelection_max_ms = 4000\n";
            let config = config.replace("[master]\n", &format!("[master]\n{timings}"));
            std::fs::write(&path, config).unwrap();
        }
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether the process has ended by itself (or by a signal somebody else sent).
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// Takes note that the process ended by itself, so that it can be started again.
    ///
    /// # Panics
    /// When it has not ended within ten seconds.
    pub fn await_end(&mut self) -> std::process::ExitStatus {
        let mut child = self.child.take().expect("it was started");
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "{} did not end", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a signal to the process.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: Signal) {
        let pid = self.pid().expect("it runs");
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
    }

    /// Ends the process at once, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks the process to stop and waits for it.
    ///
    /// # Panics
    /// When it does not stop in time.
    pub fn stop(&mut self) -> std::process::ExitStatus {
        self.signal(Signal::TERM);
        self.await_end()
    }

    /// Where its words go.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.root.join("node.log")
    }

    /// What it said.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The URL of its admin port.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.admin_addr())
    }

    /// The address of its admin port.
    #[must_use]
    pub fn admin_addr(&self) -> String {
        format!("{}:{}", self.address, self.admin_port)
    }

    /// The address of its internal port.
    #[must_use]
    pub fn internal_addr(&self) -> String {
        format!("{}:{}", self.address, self.internal_port)
    }

    /// The folder of an instance on this node.
    #[must_use]
    pub fn instance_folder(&self, instance: &str) -> PathBuf {
        self.root.join("lib/node-manager/instances").join(instance)
    }
}

impl Drop for NodeHandle {
    fn drop(&mut self) {
        self.kill();
        if self.own_disk {
            let _ = Command::new("umount").arg("-l").arg(&self.root).status();
        }
    }
}
