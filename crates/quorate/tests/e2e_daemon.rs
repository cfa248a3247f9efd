//! A node as a daemon: started, stopped and restarted by its own commands, on real processes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    os::unix::{net::UnixDatagram, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use quorate_testkit::{ClusterBuilder, Rest, eventually, eventually_some, free_port};
use reqwest::Method;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde_json::{Value, json};
use tempfile::TempDir;

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");
/// Enough for one node on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node on this host that is run by `start` and `stop`; its process ends with the test.
struct Daemon {
    root: PathBuf,
    key: String,
    admin_port: u16,
    _folder: TempDir,
}

impl Daemon {
    /// Makes the first master of a new cluster.
    fn init() -> Self {
        let folder = tempfile::Builder::new().prefix("quorate-daemon-").tempdir().unwrap();
        let keygen = Command::new(QUORATE).arg("keygen").output().unwrap();
        let key = String::from_utf8(keygen.stdout).unwrap().trim().to_owned();
        let root = folder.path().to_owned();
        let daemon = Self { root, key, admin_port: free_port(), _folder: folder };
        let (admin, internal) = (loopback(daemon.admin_port), loopback(free_port()));
        let args = ["init", "--name", "m1", "--dev-login", "--admin-addr", &admin];
        let made = daemon.quorate(&[&args[..], &["--internal-addr", &internal]].concat());
        assert!(made.status.success(), "{}", said(&made));
        daemon
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(QUORATE);
        command.args(args).env("QUORATE_ROOT", &self.root).env("NO_COLOR", "1");
        command.env("QUORATE_ROOT_KEY", &self.key).env_remove("QUORATE_SERVER");
        command.stdin(Stdio::null());
        command
    }

    fn quorate(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn without_key(&self, args: &[&str]) -> Output {
        self.command(args).env_remove("QUORATE_ROOT_KEY").output().unwrap()
    }

    fn start(&self) -> Value {
        let output = self.quorate(&["start", "--timeout", "60s", "-o", "json"]);
        assert!(output.status.success(), "{}\n{}", said(&output), self.log());
        data(&output)
    }

    fn pid_file(&self) -> PathBuf {
        self.root.join(format!("run/master-{}.pid", self.admin_port))
    }

    fn pid(&self) -> Option<i32> {
        let text = std::fs::read_to_string(self.pid_file()).ok()?;
        text.lines().next()?.parse().ok()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.root.join("log/quorate.log")).unwrap_or_default()
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.admin_port)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(pid) = self.pid().and_then(Pid::from_raw) {
            // Only a process of this very folder is ended, whatever the test wrote into the file.
            let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
            let line = String::from_utf8_lossy(&line.unwrap_or_default()).into_owned();
            if line.contains(self.root.to_str().unwrap()) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn said(output: &Output) -> String {
    let (stdout, stderr) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr))
}

fn data(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(output)))
}

/// A process that has ended and that nobody has buried yet does not live.
fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_started_once_restarted_and_stopped_without_the_key() {
    let node = Daemon::init();

    // Without the key nothing is started, and nothing is left behind.
    let keyless = node.without_key(&["start"]);
    assert_eq!(keyless.status.code(), Some(1), "{}", said(&keyless));
    assert!(said(&keyless).contains("Q1001"), "{}", said(&keyless));
    assert!(!node.pid_file().exists());

    let started = node.start();
    assert_eq!(started["state"], "ready", "{started}");
    assert_eq!(started["pidFile"], node.pid_file().to_str().unwrap());
    let pid = node.pid().unwrap();
    assert_eq!(started["pid"], pid);
    assert!(node.log().contains("Cluster ready"), "{}", node.log());
    // A session of its own: no terminal's end reaches it.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let session: i32 =
        stat.rsplit(')').next().unwrap().split_whitespace().nth(3).unwrap().parse().unwrap();
    assert_eq!(session, pid);

    let again = node.quorate(&["start", "-o", "json"]);
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert_eq!(data(&again)["state"], "already running");
    assert_eq!(node.pid(), Some(pid));

    // What could not be started again is not stopped either.
    let refused = node.without_key(&["restart"]);
    assert!(said(&refused).contains("Q1001"), "{}", said(&refused));
    assert!(lives(pid));
    let restarted = node.quorate(&["restart", "--timeout", "60s"]);
    assert!(restarted.status.success(), "{}", said(&restarted));
    let second = node.pid().unwrap();
    assert_ne!(second, pid);

    let stopped = node.without_key(&["stop", "-o", "json"]);
    assert!(stopped.status.success(), "{}", said(&stopped));
    assert_eq!(
        (&data(&stopped)["state"], &data(&stopped)["pid"]),
        (&json!("stopped"), &json!(second))
    );
    assert!(!node.pid_file().exists());
    assert!(!lives(second));
    let idle = node.without_key(&["stop"]);
    assert_eq!(idle.status.code(), Some(0), "{}", said(&idle));
    assert!(said(&idle).contains("it does not run"), "{}", said(&idle));

    // `status` without any process tells what this host knows.
    let status = node.quorate(&["status"]);
    assert_eq!(status.status.code(), Some(4), "{}", said(&status));
    let start = format!("start it: quorate --root {} start", node.root.display());
    assert!(said(&status).contains(&start), "{}", said(&status));
}

/// A namespace of processes that is entered from outside, as `docker exec` does. Whoever enters
/// has a parent, a group and a session that have no number there.
struct Container {
    unshare: Child,
    first: i32,
}

impl Container {
    fn new() -> Self {
        let flags = ["--fork", "--kill-child", "--pid", "--mount-proc", "sleep", "600"];
        let unshare = Command::new("unshare").args(flags).spawn().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", unshare.id());
        let deadline = Instant::now() + PATIENCE;
        let first = loop {
            let first = std::fs::read_to_string(&children).unwrap_or_default();
            if let Ok(first) = first.trim().parse::<i32>()
                && std::fs::read_to_string(format!("/proc/{first}/comm")).unwrap() == "sleep\n"
            {
                break first;
            }
            assert!(Instant::now() < deadline, "there is no container");
            std::thread::yield_now();
        };
        Self { unshare, first }
    }

    fn run(&self, inside: &Command) -> Output {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.first.to_string(), "-p", "-m", "--"]);
        command.arg(inside.get_program()).args(inside.get_args()).stdin(Stdio::null());
        for (name, value) in inside.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.output().unwrap()
    }
}

impl Drop for Container {
    /// With its first process all of a container ends.
    fn drop(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

#[test]
fn a_node_runs_in_a_container_that_is_entered_from_outside() {
    let node = Daemon::init();
    let container = Container::new();
    for (args, state) in [
        (&["start", "--timeout", "60s", "-o", "json"][..], "ready"),
        (&["restart", "--timeout", "60s", "-o", "json"], "ready"),
        (&["stop", "-o", "json"], "stopped"),
    ] {
        let output = container.run(&node.command(args));
        assert!(output.status.success(), "{args:?}: {}\n{}", said(&output), node.log());
        assert_eq!(data(&output)["state"], state, "{args:?}");
    }
}

#[test]
fn a_pid_file_that_was_left_behind_is_told_and_overwritten() {
    let node = Daemon::init();
    node.start();
    let pid = node.pid().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let stopped = loop {
        let stopped = node.quorate(&["stop"]);
        if said(&stopped).contains("left behind") {
            break stopped;
        }
        assert!(Instant::now() < deadline, "{}", said(&stopped));
    };
    assert!(
        said(&stopped).contains(&format!("process {pid}, which is gone")),
        "{}",
        said(&stopped)
    );

    // The pid of a process that was started at another time: this test's own.
    let me = std::process::id();
    let text = format!(
        "{me}\nboot={};start=1\n",
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim()
    );
    std::fs::write(node.pid_file(), text).unwrap();
    let started = node.quorate(&["start", "--timeout", "60s"]);
    assert!(started.status.success(), "{}", said(&started));
    assert!(said(&started).contains("that pid is another process's now"), "{}", said(&started));
    let pid = node.pid().unwrap();
    assert_ne!(u32::try_from(pid), Ok(me));
    assert!(node.quorate(&["stop"]).status.success());

    // A file somebody wrote by hand names a process that nobody vouches for: it is not signalled.
    let mut stranger = Command::new("sleep").arg("300").spawn().unwrap();
    std::fs::write(node.pid_file(), format!("{}\n", stranger.id())).unwrap();
    let doubtful = node.quorate(&["stop"]);
    assert!(said(&doubtful).contains("Q1042"), "{}", said(&doubtful));
    assert!(stranger.try_wait().unwrap().is_none(), "a stranger was signalled");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn what_keeps_a_node_from_starting_is_told_by_start_with_its_code() {
    let node = Daemon::init();
    let taken = std::net::TcpListener::bind(("127.0.0.1", node.admin_port)).unwrap();
    let busy = node.quorate(&["start"]);
    assert_eq!(busy.status.code(), Some(1), "{}", said(&busy));
    assert!(said(&busy).contains("Q1013"), "{}", said(&busy));
    assert!(node.log().contains("Q1013"), "the log tells it as well: {}", node.log());
    assert!(!node.pid_file().exists());
    drop(taken);

    // A process in the foreground, and one that lost its pid file, are seen too.
    node.start();
    let pid_file = std::fs::read(node.pid_file()).unwrap();
    std::fs::remove_file(node.pid_file()).unwrap();
    for command in ["start", "stop"] {
        let output = node.quorate(&[command]);
        assert!(said(&output).contains("Q1012"), "{command}: {}", said(&output));
    }
    std::fs::write(node.pid_file(), pid_file).unwrap();
    assert!(node.quorate(&["stop"]).status.success());

    let nowhere = tempfile::tempdir().unwrap();
    for command in ["start", "stop", "restart"] {
        let mut command = node.command(&[command]);
        let output = command.env("QUORATE_ROOT", nowhere.path()).output().unwrap();
        assert!(said(&output).contains("Q1010"), "{}", said(&output));
    }
}

#[test]
fn a_daemon_holds_nothing_that_its_caller_had_open() {
    let node = Daemon::init();
    let lock = node.root.join("lock-of-the-caller");
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec 9> \"$1\"; shift; exec \"$@\"", "sh"]).arg(&lock).arg(QUORATE);
    shell.args(["start", "--timeout", "60s"]).env("QUORATE_ROOT", &node.root);
    shell.env("QUORATE_ROOT_KEY", &node.key).stdin(Stdio::null());
    let started = shell.output().unwrap();
    assert!(started.status.success(), "{}", said(&started));
    assert!(lock.exists());
    let open = std::fs::read_dir(format!("/proc/{}/fd", node.pid().unwrap())).unwrap();
    let open: Vec<PathBuf> =
        open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect();
    assert!(open.len() > 3 && !open.contains(&lock), "{open:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_masters_on_one_host_have_pid_files_of_their_own_and_say_what_they_wait_for() {
    let first = Daemon::init();
    first.start();
    let second = Daemon {
        root: first.root.join("second"),
        key: first.key.clone(),
        admin_port: free_port(),
        _folder: tempfile::tempdir().unwrap(),
    };
    std::fs::create_dir_all(&second.root).unwrap();
    let third = Daemon {
        root: first.root.join("third"),
        key: first.key.clone(),
        admin_port: free_port(),
        _folder: tempfile::tempdir().unwrap(),
    };
    std::fs::create_dir_all(&third.root).unwrap();
    for (name, node) in [("m2", &second), ("m3", &third)] {
        let token =
            first.quorate(&["token", "create", "--role", "master", "--auto-approve", "-o", "json"]);
        let token = data(&token)["token"].as_str().unwrap().to_owned();
        let (admin, internal) = (loopback(node.admin_port), loopback(free_port()));
        let joined = node.quorate(&[
            "join",
            &token,
            "--name",
            name,
            "--admin-addr",
            &admin,
            "--internal-addr",
            &internal,
        ]);
        assert!(joined.status.success(), "{}", said(&joined));
        node.start();
    }
    assert_ne!(first.pid_file(), second.pid_file());
    assert!(first.pid_file().exists() && second.pid_file().exists());
    let rest = eventually_some("a login", PATIENCE, || async {
        Rest::new().login(&first.url(), "admin", "admin").await.ok()
    })
    .await;
    eventually("three voters", PATIENCE, || async {
        let Ok(answer) = rest.get(&first.url(), "/admin/api/nodes/masters").await else {
            return false;
        };
        let masters = answer.body.as_array().cloned().unwrap_or_default();
        masters.iter().filter(|it| it["role"] == "voter" && it["ready"] == true).count() == 3
    })
    .await;

    // All down, one up: it waits, says for what, and `status` there says what to do.
    for node in [&third, &second, &first] {
        let stopped = node.without_key(&["stop"]);
        assert!(stopped.status.success(), "{}", said(&stopped));
    }
    let waiting = first.quorate(&["start", "--timeout", "1s", "-o", "json"]);
    assert_eq!(waiting.status.code(), Some(5), "{}", said(&waiting));
    assert_eq!(data(&waiting)["state"], "waiting");
    assert!(names_what_is_missing(data(&waiting)["waitingFor"][0].as_str().unwrap()));
    // A master that has only just started says that first.
    eventually("what is missing", PATIENCE, || async {
        let status = first.quorate(&["status"]);
        assert_eq!(status.status.code(), Some(4), "{}", said(&status));
        let words = ["missing  ", "2 of 3 voters run", "n2 at", "n3 at", "recover collect --out"];
        words.iter().all(|word| said(&status).contains(word))
    })
    .await;
    // The one-line report is data as well.
    let status = data(&first.quorate(&["status", "-o", "json"]));
    assert_eq!((&status["scope"], &status["ready"]), (&json!("local"), &json!(false)));
    every_route_names_what_is_missing(&first.url()).await;
    let late = second.start();
    assert_eq!(late["state"], "ready", "{late}");
}

/// S0.23 and S0.24: until the cluster is ready no route answers anything else.
async fn every_route_names_what_is_missing(url: &str) {
    let rest = Rest::new();
    let document = rest.get(url, "/admin/api/openapi.json").await.unwrap();
    assert_eq!(document.status, 200);
    let mut refused = 0;
    for (path, methods) in document.body["paths"].as_object().unwrap() {
        let place = filled_in(path);
        for method in methods.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer =
                rest.call(url, method.clone(), &place, Some(json!({})), &[]).await.unwrap();
            if path == "/healthz" || path == "/admin/api/auth/login" {
                assert_ne!(answer.status, 503, "{path} needs no login");
                continue;
            }
            assert_eq!(answer.status, 503, "{method} {place}: {}", answer.body);
            if path == "/readyz" {
                let name = answer.body["unmet"][0]["name"].as_str().unwrap();
                assert!(["leader", "quorum"].contains(&name), "{name}");
                continue;
            }
            assert_eq!(answer.body["code"], "Q4503", "{method} {place}: {}", answer.body);
            assert!(names_what_is_missing(answer.body["cause"].as_str().unwrap()), "{place}");
            refused += 1;
        }
    }
    assert!(refused > 25, "only {refused} routes were tried");
    for page in ["/", "/nodes", "/login"] {
        let answer = reqwest::get(format!("{url}{page}")).await.unwrap();
        assert_eq!(answer.status(), 503, "{page}");
        let text = answer.text().await.unwrap();
        let names = text.contains(">leader<") || text.contains(">quorum<");
        assert!(text.contains("Cluster starting") && names, "{page}: {text}");
    }
}

/// Whether a master without the others says so: it may still take one of them for the leader.
fn names_what_is_missing(text: &str) -> bool {
    text.starts_with("leader: ") || text.starts_with("quorum: ")
}

/// A path of the OpenAPI document with something in every place.
fn filled_in(path: &str) -> String {
    path.split('/')
        .map(|part| if part.starts_with('{') { "x" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

#[test]
fn a_master_that_is_not_ready_in_time_ends_with_the_reason_in_its_log() {
    let node = Daemon::init();
    node.start();
    let token =
        node.quorate(&["token", "create", "--role", "master", "--auto-approve", "-o", "json"]);
    let token = data(&token)["token"].as_str().unwrap().to_owned();
    let second = Daemon {
        root: node.root.join("second"),
        key: node.key.clone(),
        admin_port: free_port(),
        _folder: tempfile::tempdir().unwrap(),
    };
    std::fs::create_dir_all(&second.root).unwrap();
    let (admin, internal) = (loopback(second.admin_port), loopback(free_port()));
    let joined = second.quorate(&[
        "join",
        &token,
        "--name",
        "m2",
        "--admin-addr",
        &admin,
        "--internal-addr",
        &internal,
    ]);
    assert!(joined.status.success(), "{}", said(&joined));
    assert!(node.quorate(&["stop"]).status.success());
    // The default is two minutes; this one is not worth so long.
    let config = second.root.join("etc/quorate.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains("readiness_timeout_ms = 120000"), "{text}");
    std::fs::write(&config, text.replace("120000", "1500")).unwrap();
    let failed = second.quorate(&["start", "--timeout", "60s"]);
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    assert!(said(&failed).contains("Q1031"), "{}", said(&failed));
    let log = second.log();
    assert!(log.contains("Q1031") && log.contains("leader"), "{log}");
    assert!(!second.pid_file().exists(), "its pid file stayed");
    let status = second.quorate(&["status"]);
    assert!(said(&status).contains("Q1031"), "{}", said(&status));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_with_a_node_manager_only_tells_what_it_knows() {
    let mut cluster = ClusterBuilder::new(QUORATE).masters(1).node_managers(1).start().await;
    let manager = &cluster.managers[0];
    let pid_file = manager.root.join("run/node-manager.pid");
    assert!(pid_file.exists());
    let well = eventually_some("a session with the leader", PATIENCE, || async {
        let status = manager.call(&["status"]);
        (status.status.code() == Some(0)).then_some(status)
    })
    .await;
    assert!(said(&well).contains("last leader    n1"), "{}", said(&well));
    assert!(said(&well).contains("--server"), "{}", said(&well));
    cluster.masters[0].kill();
    let manager = &cluster.managers[0];
    let alone = eventually_some("the session to be missed", PATIENCE, || async {
        let status = manager.call(&["status"]);
        (status.status.code() == Some(4)).then_some(status)
    })
    .await;
    for word in ["session: no master that leads", "n1 at 127.0.0.1:", "last leader    n1"] {
        assert!(said(&alone).contains(word), "no `{word}` in {}", said(&alone));
    }
    // It is stopped by the same command, needs no key, and is started by the same one.
    let stopped = manager.call(&["stop", "-o", "json"]);
    assert_eq!(data(&stopped)["state"], "stopped");
    assert!(cluster.managers[0].await_end().success());
    let manager = &cluster.managers[0];
    let started = manager.call(&["start", "-o", "json"]);
    assert_eq!(data(&started)["state"], "ready", "{}", said(&started));
    assert_eq!(data(&started)["pidFile"], pid_file.to_str().unwrap());
    assert!(manager.call(&["stop"]).status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leaders_stop_loses_no_write_of_a_client_that_tries_once_more() {
    let mut cluster = ClusterBuilder::new(QUORATE).start().await;
    let leader = cluster.leader().await;
    let urls: Vec<String> = cluster.masters.iter().map(|master| master.url()).collect();
    let others: Vec<String> =
        (0..3).filter(|index| *index != leader).map(|index| urls[index].clone()).collect();
    let rest = cluster.rest.clone();
    let (end, mut ended) = tokio::sync::watch::channel(false);
    let began = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counter = std::sync::Arc::clone(&began);
    let leader_url = urls[leader].clone();
    let writer = tokio::spawn(async move {
        let mut written = Vec::new();
        let mut retries = 0_u32;
        for number in 0_u64.. {
            if *ended.borrow_and_update() {
                break;
            }
            let path = format!("/admin/api/settings/stop-{number}");
            let key = format!("stop-{number}");
            let headers = [("idempotency-key", key.as_str())];
            let body = Some(json!({ "value": number }));
            let first = rest.call(&leader_url, Method::PUT, &path, body.clone(), &headers).await;
            if !first.as_ref().is_ok_and(|answer| answer.status == 200) {
                // The one retry goes to another master, with the same key.
                retries += 1;
                let url = &others[usize::try_from(number % 2).unwrap()];
                let again = rest.call(url, Method::PUT, &path, body, &headers).await.unwrap();
                assert_eq!(again.status, 200, "{} after {first:?}", again.body);
            }
            written.push(number);
            counter.store(number, std::sync::atomic::Ordering::Relaxed);
        }
        (written, retries)
    });
    let so_far = |wanted: u64| {
        let began = std::sync::Arc::clone(&began);
        async move {
            eventually("writes", PATIENCE, || async {
                began.load(std::sync::atomic::Ordering::Relaxed) > wanted
            })
            .await;
        }
    };
    so_far(20).await;
    let stopped = cluster.masters[leader].call(&["stop", "-o", "json"]);
    let view = data(&stopped);
    assert_eq!(view["state"], "stopped");
    // On a busy machine another may have come to lead just before: then there is nothing to hand
    // over, and the master's log says nothing of an attempt.
    let log = cluster.masters[leader].log();
    match view["handedOverTo"].as_str() {
        Some(heir) => assert!(heir.starts_with('n'), "{view}"),
        None => assert!(!log.contains("leadership not handed over"), "{view} {log}"),
    }
    assert!(cluster.masters[leader].await_end().success());
    let survivor = &urls[(leader + 1) % 3];
    eventually("the change of leaders to be counted", PATIENCE, || async {
        let answer = reqwest::get(format!("{survivor}/metrics")).await.unwrap();
        let text = answer.text().await.unwrap();
        let counted = text.lines().find_map(|it| it.strip_prefix("quorate_leader_changes_total "));
        counted.unwrap_or_else(|| panic!("{text}")).parse::<u64>().unwrap() > 0
    })
    .await;
    so_far(began.load(std::sync::atomic::Ordering::Relaxed) + 20).await;
    end.send_replace(true);
    let (written, retries) = writer.await.unwrap();
    assert!(retries > 0, "the leader's port was closed, so somebody must have tried again");
    for number in written {
        let path = format!("/admin/api/settings/stop-{number}");
        let answer = cluster.call_somewhere(Method::GET, &path, None, &[]).await;
        assert_eq!(answer.body["value"], json!(number), "{path}");
    }
}

#[test]
fn the_service_manager_hears_of_readiness_of_life_of_a_restart_in_place_and_of_the_end() {
    let node = Daemon::init();
    let path = node.root.join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut child = node
        .command(&["run", "--with-parent"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "300000")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut heard = String::new();
    let hear_until = |heard: &mut String, word: &str| {
        let deadline = Instant::now() + PATIENCE;
        let mut message = [0_u8; 4096];
        while !heard.contains(word) {
            assert!(Instant::now() < deadline, "no {word} in {heard}");
            let length = socket.recv(&mut message).unwrap();
            heard.push_str(&String::from_utf8_lossy(&message[..length]));
            heard.push('\n');
        }
    };
    hear_until(&mut heard, "READY=1");
    assert!(heard.contains("STATUS=waiting for leader"), "{heard}");
    assert!(heard.contains("STATUS=ready"), "{heard}");
    heard.clear();
    hear_until(&mut heard, "WATCHDOG=1");
    // It begins anew in place: for the service manager it has not stopped, and is ready again.
    heard.clear();
    let restart = ["node", "restart", "m1", "--accept-interruption", "--yes", "--detach"];
    // Not waited for here: a service manager that does not listen holds the master up.
    let mut order = node.command(&restart).stdout(Stdio::null()).spawn().unwrap();
    hear_until(&mut heard, "STATUS=waiting for leader");
    hear_until(&mut heard, "READY=1");
    assert!(!heard.contains("STOPPING=1"), "{heard}");
    heard.clear();
    hear_until(&mut heard, "WATCHDOG=1");
    assert_eq!(order.wait().unwrap().code(), Some(5));
    assert!(child.try_wait().unwrap().is_none(), "it is the same process");
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    assert!(Path::new(&node.pid_file()).exists(), "the foreground writes its pid file as well");
    kill_process(pid, Signal::TERM).unwrap();
    hear_until(&mut heard, "STOPPING=1");
    assert!(child.wait().unwrap().success());
    assert!(!node.pid_file().exists());
}

/// The master's core dump would hold the root key. What `quorate start` and `run` were started with
/// does not matter: the test allows the largest that this host allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_crashes_writes_its_memory_to_no_disk() {
    let most = getrlimit(Resource::Core).maximum;
    setrlimit(Resource::Core, Rlimit { current: most, maximum: most }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "kill -ABRT $$"]).current_dir(folder.path());
    let others = shell.status().unwrap();
    println!("what another program does that is aborted here: {others}");

    let mut cluster = ClusterBuilder::new(QUORATE).masters(1).start().await;
    let master = &mut cluster.masters[0];
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", master.pid().unwrap()));
    let limit = limits.unwrap().lines().find(|line| line.contains("core file")).unwrap().to_owned();
    assert_eq!(limit.split_whitespace().nth(4) == Some("0"), most == Some(0), "{limit}");
    let doctor = data(&master.call(&["doctor", "--output", "json"]));
    let findings = doctor["findings"].as_array().unwrap();
    let finding = findings.iter().find(|it| it["id"] == "core-dumps").unwrap();
    assert_eq!(finding["severity"], "ok", "{finding}");

    master.signal(Signal::ABORT);
    let ended = master.await_end();
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(6), false), "{ended}");
}
