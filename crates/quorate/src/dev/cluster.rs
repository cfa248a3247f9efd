//! The throw-away cluster: its folders, ports and processes, from the first to the last.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use quorate_keyring::{OsIdSource, RootKey, Zeroizing};
use quorate_model::{IdSource, Refusal, codes};
use quorate_supervisor::{StopSignal, Supervisor};
use serde_json::Value;

use super::{
    DevArgs,
    node_process::{NodeProcess, call, output},
    status_line::say,
};
use crate::node::{FolderArgs, Folders, SystemClock, refuse_file};

/// Internal ports begin this much higher than admin ports: 9901 for 8080.
const INTERNAL_OFFSET: u16 = 1821;
/// How long each stage may take to become ready.
const READY_DEADLINE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A cluster of processes on this machine.
pub(super) struct DevCluster {
    base: PathBuf,
    keep: bool,
    root_key: Zeroizing<String>,
    masters: Vec<NodeProcess>,
    managers: Vec<NodeProcess>,
    /// The first master's admin port.
    pub(super) port_base: u16,
}

impl DevCluster {
    pub(super) fn new(args: &DevArgs, root: Option<PathBuf>) -> Result<Self, Refusal> {
        // Before anything is made: what is refused leaves nothing behind.
        require_free_ports(args.port_base, args.masters)?;
        let (base, keep) = (make_base(root)?, args.keep);
        let name = |kind: &str, number| format!("{kind}{number}");
        Ok(Self {
            masters: (1..=args.masters).map(|n| NodeProcess::new(&base, &name("m", n))).collect(),
            managers: (1..=args.node_managers)
                .map(|n| NodeProcess::new(&base, &name("nm", n)))
                .collect(),
            base,
            keep,
            root_key: RootKey::generate().to_text(),
            port_base: args.port_base,
        })
    }

    /// The first master's folder, through whose socket the cluster is driven.
    fn first(&self) -> &Path {
        &self.masters[0].root
    }

    /// The names of the node managers.
    pub(super) fn manager_names(&self) -> Vec<String> {
        self.managers.iter().map(|node| node.name.clone()).collect()
    }

    /// The folder of the whole cluster.
    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    /// The first master's folder.
    pub(super) fn first_root(&self) -> PathBuf {
        self.first().to_owned()
    }

    /// Makes the first master and lets the others join it.
    pub(super) async fn start_masters(&mut self) -> Result<(), Refusal> {
        say("making the first master ...");
        for master in &self.masters {
            make_folder(&master.root)?;
        }
        let root_key = self.root_key.clone();
        let addrs = self.addrs(0);
        let mut init = vec!["init", "--name", "m1", "--dev-login"];
        init.extend(addrs.iter().map(String::as_str));
        call(self.first(), &init, "", Some(&root_key)).await?;
        self.masters[0].start(Some(&root_key))?;
        self.await_status("the first master to lead", |status| {
            status["quorate"].as_bool() == Some(true)
        })
        .await?;
        for index in 1..self.masters.len() {
            let token = self.token("master").await?;
            let name = self.masters[index].name.clone();
            say(&format!("letting {name} join ..."));
            let addrs = self.addrs(index);
            let mut join = vec!["join", &token, "--name", &name];
            join.extend(addrs.iter().map(String::as_str));
            call(&self.masters[index].root, &join, "", Some(&root_key)).await?;
            self.masters[index].start(Some(&root_key))?;
        }
        // An even number never votes as one: the last learner of an even number waits.
        let voters = if self.masters.len().is_multiple_of(2) {
            self.masters.len() - 1
        } else {
            self.masters.len()
        };
        self.await_status("the masters to become voters", move |status| {
            status["voters"].as_u64() == u64::try_from(voters).ok()
                && status["masters"].as_array().is_some_and(|masters| {
                    masters.iter().all(|master| master["ready"].as_bool() == Some(true))
                })
        })
        .await
    }

    /// Lets the node managers join.
    pub(super) async fn start_node_managers(&mut self) -> Result<(), Refusal> {
        for index in 0..self.managers.len() {
            let token = self.token("node-manager").await?;
            let node = &mut self.managers[index];
            say(&format!("letting {} join ...", node.name));
            make_folder(&node.root)?;
            let join = ["join", &token, "--name", &node.name, "--advertise", "127.0.0.1"];
            call(&node.root, &join, "", None).await?;
            node.start(None)?;
        }
        self.await_status("the node managers to report", |status| {
            status["nodeManagers"].as_array().is_some_and(|managers| {
                managers.iter().all(|manager| manager["ready"].as_bool() == Some(true))
            })
        })
        .await
    }

    /// Runs a `quorate` command against the cluster.
    pub(super) async fn call(&self, args: &[&str], input: &str) -> Result<String, Refusal> {
        call(self.first(), args, input, None).await
    }

    /// The cluster's status; `None` while it cannot be asked. An unhealthy cluster answers too.
    pub(super) async fn status(&self) -> Option<Value> {
        // `status` exits non-zero when something is wrong, and says what all the same.
        let args = ["status", "--output", "json"];
        let output = output(self.first(), &args, "", None).await.ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }

    async fn token(&self, role: &str) -> Result<String, Refusal> {
        self.call(&["token", "create", "--role", role, "--ttl", "10m", "--auto-approve"], "").await
    }

    fn addrs(&self, index: usize) -> Vec<String> {
        let [admin, internal] = addrs(self.port_base, u16::try_from(index).unwrap_or(0));
        vec!["--admin-addr".to_owned(), admin, "--internal-addr".to_owned(), internal]
    }

    /// Waits until the status is as wanted, watching that no node ends meanwhile.
    pub(super) async fn await_status(
        &mut self,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<(), Refusal> {
        let deadline = tokio::time::Instant::now() + READY_DEADLINE;
        loop {
            let status = self.status().await;
            if status.as_ref().is_some_and(&wanted) {
                return Ok(());
            }
            self.check_processes()?;
            if tokio::time::Instant::now() >= deadline {
                let seconds = READY_DEADLINE.as_secs();
                return Err(Refusal::new(
                    codes::READINESS_TIMEOUT,
                    format!("waited {seconds} s for {what}"),
                )
                .cause(status.map_or_else(
                    || "the first master does not answer".to_owned(),
                    |status| status["problems"].to_string(),
                ))
                .hint(format!("the nodes' logs: {}/*/node.log", self.base.display())));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether all processes live.
    pub(super) fn check_processes(&mut self) -> Result<(), Refusal> {
        let nodes = self.masters.iter_mut().chain(&mut self.managers);
        nodes.filter_map(NodeProcess::ended).next().map_or(Ok(()), Err)
    }

    /// Ends everything: node managers, the instances they leave running, masters, folders.
    /// After a failure the folder stays: it holds the reasons.
    pub(super) async fn end(&mut self, failed: bool) {
        for node in &mut self.managers {
            node.stop().await;
        }
        for node in &self.managers {
            end_instances(&node.root).await;
        }
        // Followers first: then nobody needs to be elected on the way out.
        for node in self.masters.iter_mut().rev() {
            node.stop().await;
        }
        if self.keep || failed {
            say(&format!("the cluster's folder is kept: {}", self.base.display()));
        } else {
            self.remove_folders();
        }
    }

    /// Removes what `dev` made and nothing else.
    fn remove_folders(&self) {
        let report = |path: &Path, result: std::io::Result<()>| {
            if let Err(error) = result
                && error.kind() != std::io::ErrorKind::NotFound
            {
                say(&format!("cannot remove {}: {error}", path.display()));
            }
        };
        for node in self.masters.iter().chain(&self.managers) {
            report(&node.root, std::fs::remove_dir_all(&node.root));
        }
        report(&self.base, std::fs::remove_dir(&self.base));
    }
}

/// The admin and the internal address of a master, counted from 0.
fn addrs(port_base: u16, index: u16) -> [String; 2] {
    let admin = port_base + index;
    [admin, admin.saturating_add(INTERNAL_OFFSET)].map(|port| format!("127.0.0.1:{port}"))
}

/// Every port of the masters must be free before anything is begun.
fn require_free_ports(port_base: u16, masters: u16) -> Result<(), Refusal> {
    for addr in (0..masters).flat_map(|index| addrs(port_base, index)) {
        std::net::TcpListener::bind(&addr).map_err(|error| {
            Refusal::new(codes::ADDRESS_IN_USE, format!("{addr} is in use"))
                .cause(error.to_string())
                .hint("choose other ports: quorate dev --port-base PORT")
        })?;
    }
    Ok(())
}

/// The cluster's folder: a new one, or an empty one that was chosen. `dev` removes folders in the
/// end, so it must never work in one that holds anything else.
fn make_base(chosen: Option<PathBuf>) -> Result<PathBuf, Refusal> {
    let Some(base) = chosen else {
        let name = format!("quorate-dev-{:016x}", OsIdSource.random() >> 64);
        let base = std::env::temp_dir().join(name);
        make_folder(&base)?;
        return Ok(base);
    };
    let base = std::path::absolute(&base).unwrap_or(base);
    let is_empty = match std::fs::read_dir(&base) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_empty {
        return Err(Refusal::new(
            codes::ALREADY_INITIALISED,
            format!("{} is not empty", base.display()),
        )
        .cause("`dev` removes its folder in the end, so it works in a new or an empty one")
        .hint("choose another with --root DIR; QUORATE_ROOT in the environment counts as one"));
    }
    make_folder(&base)?;
    Ok(base)
}

/// Instances outlive their node manager by design; a throw-away cluster's must not.
async fn end_instances(root: &Path) {
    let folders = Folders::resolve(&FolderArgs::default(), Some(root), None);
    let (run, log) = (folders.run.join("instances"), folders.log.join("instances"));
    if !run.exists() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let clock = std::sync::Arc::new(SystemClock);
    let Ok(supervisor) = Supervisor::new(run, log, program, clock) else { return };
    let Ok(names) = supervisor.list() else { return };
    for name in names {
        if let Err(error) = supervisor.stop(&name, StopSignal::Term, Duration::from_secs(5)).await {
            say(&format!("cannot end instance {name}: {error}"));
        }
    }
}

fn make_folder(path: &Path) -> Result<(), Refusal> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| refuse_file("make the folder", path, &error))
}
