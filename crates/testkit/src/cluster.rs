//! A whole cluster of real processes, on loopback or on hosts of their own.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{NodeHandle, Rest, eventually_some, hosts::Hosts, wait::eventually};

/// How long a whole cluster may take to become ready on a busy machine.
const READY: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How many lines of each log say why a cluster did not become ready.
const LAST_LINES: usize = 30;

/// rustls wants one provider for the process; whoever comes first installs it.
pub(crate) fn install_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What a cluster shall be made of.
#[derive(Debug, Clone)]
pub struct ClusterBuilder {
    binary: std::path::PathBuf,
    masters: usize,
    managers: usize,
    env: Vec<(String, String)>,
    master_disk_mebibytes: Option<u32>,
    calm: bool,
    own_hosts: bool,
}

impl ClusterBuilder {
    /// A cluster of this binary with three masters and no node managers.
    #[must_use]
    pub fn new(binary: impl AsRef<Path>) -> Self {
        Self {
            binary: binary.as_ref().to_owned(),
            masters: 3,
            managers: 0,
            env: Vec::new(),
            master_disk_mebibytes: None,
            calm: false,
            own_hosts: false,
        }
    }

    /// How many masters.
    #[must_use]
    pub const fn masters(mut self, masters: usize) -> Self {
        self.masters = masters;
        self
    }

    /// How many node managers.
    #[must_use]
    pub const fn node_managers(mut self, managers: usize) -> Self {
        self.managers = managers;
        self
    }

    /// A variable in every master's environment.
    #[must_use]
    pub fn master_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives every master a small disk of its own.
    #[must_use]
    pub const fn master_disk(mut self, mebibytes: u32) -> Self {
        self.master_disk_mebibytes = Some(mebibytes);
        self
    }

    /// Slow elections, for tests of what happens and not of how soon: on a busy machine, where
    /// many masters share a disk, the default timings make leaders of everybody in turn.
    #[must_use]
    pub const fn calm(mut self) -> Self {
        self.calm = true;
        self
    }

    /// Gives every node a host of its own, with a network between them that can be cut (see
    /// [`ProcessCluster::hosts`]). Needs root and iproute2.
    #[must_use]
    pub const fn on_own_hosts(mut self) -> Self {
        self.own_hosts = true;
        self
    }

    /// Makes, joins and starts all nodes and waits until they are ready.
    ///
    /// # Panics
    /// When that fails.
    pub async fn start(self) -> ProcessCluster {
        install_tls_provider();
        let folder = tempfile::Builder::new().prefix("quorate-test-").tempdir().unwrap();
        let keygen = Command::new(&self.binary).arg("keygen").output().unwrap();
        let root_key = String::from_utf8(keygen.stdout).unwrap().trim().to_owned();
        assert!(keygen.status.success(), "{}", String::from_utf8_lossy(&keygen.stderr));
        let node = |name: &str, key: Option<&str>| {
            let mut node = NodeHandle::new(&self.binary, folder.path(), name, key);
            for (name, value) in self.env.iter().filter(|_| key.is_some()) {
                node.set_env(name, value);
            }
            node.calm = self.calm && key.is_some();
            if let Some(mebibytes) = self.master_disk_mebibytes.filter(|_| key.is_some()) {
                node.put_on_own_disk(mebibytes);
            }
            node
        };
        let mut masters: Vec<_> =
            (1..=self.masters).map(|n| node(&format!("m{n}"), Some(&root_key))).collect();
        let mut managers: Vec<_> =
            (1..=self.managers).map(|n| node(&format!("nm{n}"), None)).collect();
        let hosts = self
            .own_hosts
            .then(|| Hosts::build(self.masters + self.managers).unwrap_or_else(|e| panic!("{e}")));
        if let Some(hosts) = &hosts {
            for (host, node) in masters.iter_mut().chain(&mut managers).enumerate() {
                node.put_on_host(hosts.namespace(host), hosts.address(host));
            }
        }
        let mut cluster =
            ProcessCluster { masters, managers, rest: Rest::new(), root_key, hosts, folder };
        cluster.start_masters().await;
        cluster.start_managers().await;
        cluster
    }
}

/// A running cluster; everything ends when it is dropped.
#[derive(Debug)]
pub struct ProcessCluster {
    /// The masters, `m1` first.
    pub masters: Vec<NodeHandle>,
    /// The node managers, `nm1` first.
    pub managers: Vec<NodeHandle>,
    /// A caller logged in as admin.
    pub rest: Rest,
    /// The cluster's root key.
    pub root_key: String,
    /// The hosts, when every node has its own: the masters' first, in order, then the others'.
    pub hosts: Option<Hosts>,
    folder: TempDir,
}

impl ProcessCluster {
    async fn start_masters(&mut self) {
        let first = &mut self.masters[0];
        let (admin, internal) = (first.admin_addr(), first.internal_addr());
        let name = first.name.clone();
        first.make(&[
            "init",
            "--name",
            &name,
            "--dev-login",
            "--admin-addr",
            &admin,
            "--internal-addr",
            &internal,
        ]);
        first.start();
        let url = first.url();
        self.rest = eventually_some("the first login", READY, || async {
            Rest::new().login(&url, "admin", "admin").await.ok()
        })
        .await;
        for index in 1..self.masters.len() {
            let token = self.token("master").await;
            let node = &mut self.masters[index];
            join_as_master(node, &token);
            node.start();
        }
        self.await_voters(self.masters.len()).await;
    }

    /// Makes one more master of that name, lets it join and starts it. It is the last of the
    /// masters; nothing is awaited.
    ///
    /// # Panics
    /// When it cannot join.
    pub async fn join_master(&mut self, name: &str) {
        let mut node = self.joined_master(name).await;
        node.start();
        self.masters.push(node);
    }

    /// One more master of that name, which has joined and does not run yet.
    ///
    /// # Panics
    /// When it cannot join.
    pub async fn joined_master(&self, name: &str) -> NodeHandle {
        let token = self.token("master").await;
        let node = self.new_node(name);
        join_as_master(&node, &token);
        node
    }

    async fn start_managers(&mut self) {
        for index in 0..self.managers.len() {
            let token = self.token("node-manager").await;
            let node = &mut self.managers[index];
            let (name, address) = (node.name.clone(), node.address.to_string());
            let _ = node.must(&["join", &token, "--name", &name, "--advertise", &address]);
            node.start();
        }
        if !self.managers.is_empty() {
            self.await_managers().await;
        }
    }

    /// Joins one more master and starts it; it is a learner at first.
    ///
    /// # Panics
    /// When it cannot join.
    pub async fn add_master(&mut self) -> usize {
        let index = self.masters.len();
        self.join_master(&format!("m{}", index + 1)).await;
        index
    }

    /// The folder and the ports of one more node, which is not joined yet and has the root key.
    #[must_use]
    pub fn new_node(&self, name: &str) -> NodeHandle {
        self.masters[0].another(self.folder.path(), name)
    }

    /// Waits until so many voters are ready and exactly one leads.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn await_voters(&self, voters: usize) {
        let deadline = Instant::now() + READY;
        loop {
            let masters = self.get_somewhere("/admin/api/nodes/masters").await;
            let all = masters.as_ref().and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let is_ready = |master: &&Value| master["role"] == "voter" && master["ready"] == true;
            let ready = all.iter().filter(is_ready).count();
            let leaders = all.iter().filter(|master| master["isLeader"] == true).count();
            if ready == voters && leaders == 1 && self.all_say_ready(voters).await {
                return;
            }
            if Instant::now() >= deadline {
                let logs: Vec<String> = self.masters.iter().map(last_words).collect();
                panic!("waited {READY:?} for {voters} voters: {masters:#?}\n{}", logs.join("\n"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether every master says itself that it is ready, when all that run are to vote: for some
    /// seconds the leader takes one that began anew for the one that ended.
    async fn all_say_ready(&self, voters: usize) -> bool {
        let running = || self.masters.iter().filter(|master| master.pid().is_some());
        if running().count() != voters {
            return true;
        }
        for master in running() {
            if !self.rest.get(&master.url(), "/readyz").await.is_ok_and(|it| it.status == 200) {
                return false;
            }
        }
        true
    }

    /// Waits until every node manager is ready.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn await_managers(&self) {
        let wanted = self.managers.len();
        eventually("ready node managers", READY, || async {
            let managers = self.get_somewhere("/admin/api/nodes/node-managers").await;
            managers.and_then(|managers| managers.as_array().cloned()).is_some_and(|managers| {
                managers.iter().filter(|manager| manager["ready"] == true).count() == wanted
            })
        })
        .await;
    }

    /// A join token.
    ///
    /// # Panics
    /// When none can be had.
    pub async fn token(&self, role: &str) -> String {
        eventually_some("a join token", READY, || async {
            let body = json!({ "role": role, "ttlMs": 600_000, "autoApprove": true });
            let path = "/admin/api/tokens";
            let answer = self.call_somewhere(reqwest::Method::POST, path, Some(body), &[]).await;
            answer.body["token"].as_str().map(str::to_owned)
        })
        .await
    }

    /// Asks the masters in turn until one answers 200.
    pub async fn get_somewhere(&self, path: &str) -> Option<Value> {
        for master in &self.masters {
            if let Ok(answer) = self.rest.get(&master.url(), path).await
                && answer.status == 200
            {
                return Some(answer.body);
            }
        }
        None
    }

    /// What a master answers to a GET, as soon as one does: for a moment there may be no leader.
    ///
    /// # Panics
    /// When none does in time.
    pub async fn read(&self, path: &str) -> Value {
        eventually_some(path, READY, || self.get_somewhere(path)).await
    }

    /// Calls the masters in turn until one gives a definite answer (not 503).
    ///
    /// # Panics
    /// When none does in time.
    pub async fn call_somewhere(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> crate::Answer {
        eventually_some(&format!("an answer to {path}"), READY, || {
            self.call_each(method.clone(), path, body.clone(), headers)
        })
        .await
    }

    /// Calls each master once, until one gives a definite answer (not 503).
    pub async fn call_each(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Option<crate::Answer> {
        for master in &self.masters {
            let url = master.url();
            let call = self.rest.call(&url, method.clone(), path, body.clone(), headers);
            if let Ok(answer) = call.await
                && answer.status != 503
            {
                return Some(answer);
            }
        }
        None
    }

    /// Starts the masters that have ended, but those that were removed, and says how many it
    /// started.
    pub fn start_what_ended(&mut self) -> usize {
        let mut started = 0;
        for master in &mut self.masters {
            if master.has_ended() && !master.log().contains("Q3012") {
                master.await_end();
                started += 1;
                master.start();
            }
        }
        started
    }

    /// The position of the leader among the masters.
    ///
    /// # Panics
    /// When there is none in time.
    pub async fn leader(&self) -> usize {
        eventually_some("a leader", READY, || async {
            let masters = self.get_somewhere("/admin/api/nodes/masters").await?;
            let name = masters
                .as_array()?
                .iter()
                .find(|master| master["isLeader"] == true)
                .and_then(|master| master["name"].as_str().map(str::to_owned))?;
            self.masters.iter().position(|master| master.name == name && master.pid().is_some())
        })
        .await
    }

    /// Creates a component and waits until its operation has succeeded.
    ///
    /// # Panics
    /// When it is refused or does not succeed.
    pub async fn create_component(&self, spec: Value) {
        let answer = self
            .call_somewhere(reqwest::Method::POST, "/admin/api/components", Some(spec), &[])
            .await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        let id = answer.body["id"].as_str().unwrap().to_owned();
        let operation = self.await_operation(&id, Duration::from_secs(120)).await;
        assert_eq!(operation["status"], "succeeded", "{operation:#}");
    }

    /// Waits until an operation is at rest: ended, stuck or paused.
    ///
    /// # Panics
    /// When it is not in time.
    pub async fn await_operation(&self, id: &str, within: Duration) -> Value {
        let path = format!("/admin/api/operations/{id}");
        eventually_some(&format!("operation {id} to rest"), within, || async {
            let operation = self.get_somewhere(&path).await?;
            let status = operation["status"].as_str()?;
            ["succeeded", "aborted", "stuck", "paused"].contains(&status).then_some(operation)
        })
        .await
    }

    /// A component as the leader sees it.
    pub async fn component(&self, name: &str) -> Option<Value> {
        self.get_somewhere(&format!("/admin/api/components/{name}")).await
    }

    /// The pid of every instance of a component, by name.
    ///
    /// # Panics
    /// When an instance does not run in time.
    pub async fn pids(&self, component: &str) -> std::collections::BTreeMap<String, u64> {
        eventually_some("pids of all instances", READY, || async {
            let view = self.component(component).await?;
            let instances = view["instances"].as_array()?.clone();
            instances
                .iter()
                .map(|it| Some((it["name"].as_str()?.to_owned(), it["pid"].as_u64()?)))
                .collect()
        })
        .await
    }

    /// How often every instance of a component was started, by name.
    ///
    /// # Panics
    /// When that cannot be seen in time.
    pub async fn starts(&self, component: &str) -> std::collections::BTreeMap<String, u64> {
        eventually_some("starts of all instances", READY, || async {
            let view = self.component(component).await?;
            let instances = view["instances"].as_array()?.clone();
            instances
                .iter()
                .map(|it| {
                    it["seenMs"].as_u64()?;
                    Some((it["name"].as_str()?.to_owned(), it["starts"].as_u64()?))
                })
                .collect()
        })
        .await
    }
}

/// Makes the node a master, which is not started yet.
fn join_as_master(node: &NodeHandle, token: &str) {
    let (admin, internal) = (node.admin_addr(), node.internal_addr());
    let addresses = ["--admin-addr", &admin, "--internal-addr", &internal];
    node.make(&[&["join", token, "--name", &node.name][..], &addresses].concat());
}

impl Drop for ProcessCluster {
    /// Instances outlive their node managers by design; those of a test must not.
    fn drop(&mut self) {
        for manager in &mut self.managers {
            manager.kill();
            end_instances(&manager.root);
        }
    }
}

/// Ends every shim below a node's folder and what it started. Shims are known by the spec file
/// of that folder on their command line.
fn end_instances(root: &Path) {
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    let marker = root.join("run").display().to_string();
    for process in processes.flatten() {
        let Ok(pid) = process.file_name().to_string_lossy().parse::<i32>() else { continue };
        let cmdline = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let cmdline = String::from_utf8_lossy(&cmdline).replace('\0', " ");
        if !cmdline.contains(" shim ") || !cmdline.contains(&marker) {
            continue;
        }
        end_session(pid);
    }
}

/// Kills every process of the session that a shim leads, the shim first so that it starts nothing.
fn end_session(shim: i32) {
    use rustix::process::{Pid, Signal, kill_process};
    let kill = |pid: i32| {
        if let Some(pid) = Pid::from_raw(pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
    };
    let members = session_members(shim);
    kill(shim);
    for pid in members {
        kill(pid);
    }
}

fn session_members(session: i32) -> Vec<i32> {
    let mut members = Vec::new();
    let Ok(processes) = std::fs::read_dir("/proc") else { return members };
    for process in processes.flatten() {
        let Ok(pid) = process.file_name().to_string_lossy().parse::<i32>() else { continue };
        let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // After the command in parentheses: state, parent, process group, session.
        let of = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(3)?.parse::<i32>().ok());
        if of == Some(session) {
            members.push(pid);
        }
    }
    members
}

/// The end of a node's log, for a test that gives up.
fn last_words(node: &NodeHandle) -> String {
    let log = node.log();
    let lines: Vec<&str> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    format!("=== {} (pid {:?})\n{}", node.name, node.pid(), last.join("\n"))
}
