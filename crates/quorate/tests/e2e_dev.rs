//! `quorate dev`: everything is there, and nothing is left of it after Ctrl-C.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use quorate_testkit::{Rest, eventually, free_port, without_surroundings};
use rustix::process::{Pid, Signal, kill_process};

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");
/// On a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(180);

/// `quorate dev`, asked to end when it is dropped.
struct Dev {
    process: Child,
    said: mpsc::Receiver<String>,
    all: Vec<String>,
}

impl Dev {
    fn start(root: &Path, port: u16) -> Self {
        Self::start_with(root, port, &[])
    }

    fn start_with(root: &Path, port: u16, more: &[&str]) -> Self {
        let mut command = Command::new(QUORATE);
        without_surroundings(&mut command);
        // What a caller's environment says about another cluster concerns this one in nothing.
        command.env("QUORATE_DATA_DIR", "/nonexistent").env("QUORATE_ADVERTISE", "nowhere");
        command.env("QUORATE_ROOT_KEY", "another cluster's").env("NO_COLOR", "1");
        command.args(["--root", root.to_str().unwrap(), "dev", "--port-base", &port.to_string()]);
        command.args(more);
        let mut process = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, said) = mpsc::channel();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self { process, said, all: Vec::new() }
    }

    fn await_line(&mut self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.said.recv_timeout(left) else {
                panic!("no `{words}` in {:#?}", self.all);
            };
            self.all.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    fn interrupt(&self) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.interrupt();
            let _ = self.process.wait();
        }
    }
}

/// The processes whose command line, environment or working folder names the folder.
fn processes_of(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()) {
        let read = |name| std::fs::read(process.join(name)).unwrap_or_default();
        let line = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        let environment = String::from_utf8_lossy(&read("environ")).into_owned();
        let place = std::fs::read_link(process.join("cwd")).unwrap_or_default();
        if line.contains(folder) || environment.contains(folder) || place.starts_with(folder) {
            found.push(line);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throw_away_cluster_is_whole_while_it_runs_and_gone_after_ctrl_c() {
    let folder = tempfile::Builder::new().prefix("quorate-dev-test-").tempdir().unwrap();
    let root = folder.path().join("cluster");
    let port = free_port();
    let mut dev = Dev::start(&root, port);
    let console = dev.await_line("console ");
    let login = dev.await_line("login ");
    assert!(login.contains("admin / admin"), "{login}");
    let url = console.split_whitespace().last().unwrap().to_owned();
    let live = dev.await_line("all is well");
    for part in ["leader n", "masters 3/3", "node managers 3/3"] {
        assert!(live.contains(part), "no `{part}` in {live}");
    }

    let rest = Rest::new().login(&url, "admin", "admin").await.unwrap();
    let components = rest.get(&url, "/admin/api/components").await.unwrap().body;
    let names: Vec<_> = components.as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["greeter", "orders"], "the sample and the etcd of `cargo xtask test`");
    for component in components.as_array().unwrap() {
        assert_eq!(component["verdict"], "up", "{component:#}");
        assert_eq!(component["instances"].as_array().unwrap().len(), 3);
    }
    let place = root.to_str().unwrap().to_owned();
    let running = processes_of(&place);
    assert!(running.len() > 12, "nodes, shims, components: {running:#?}");

    dev.interrupt();
    assert!(dev.process.wait().unwrap().success(), "{:#?}", dev.all);
    eventually("every process to be gone", Duration::from_secs(30), || async {
        processes_of(&place).is_empty()
    })
    .await;
    let left: Vec<_> =
        std::fs::read_dir(&root).map(|it| it.flatten().collect()).unwrap_or_default();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_node_that_is_killed_is_named_with_its_log_and_is_no_bug() {
    let folder = tempfile::Builder::new().prefix("quorate-dev-test-").tempdir().unwrap();
    let root = folder.path().join("cluster");
    let few = ["--masters", "1", "--node-managers", "0", "--bare"];
    let mut dev = Dev::start_with(&root, free_port(), &few);
    dev.await_line("Ctrl-C ends the cluster");
    let pid = std::fs::read_dir(root.join("m1/run")).unwrap().flatten().find_map(|file| {
        let is_pid = file.path().extension().is_some_and(|it| it == "pid");
        let text = is_pid.then(|| std::fs::read_to_string(file.path()).unwrap())?;
        text.lines().next()?.parse().ok()
    });
    kill_process(Pid::from_raw(pid.unwrap()).unwrap(), Signal::KILL).unwrap();
    dev.await_line("error[Q1043]: node `m1` ended (signal: 9 (SIGKILL))");
    dev.await_line(root.join("m1/node.log").to_str().unwrap());
    assert_eq!(dev.process.wait().unwrap().code(), Some(1), "{:#?}", dev.all);
    assert!(root.join("m1/node.log").exists(), "the reasons are kept");
}

#[test]
fn what_is_refused_at_the_start_leaves_no_folder_behind() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut command = Command::new(QUORATE);
    without_surroundings(&mut command);
    command.env("TMPDIR", folder.path()).args(["dev", "--port-base", &port.to_string()]);
    let refused = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(1) && said.contains("Q1013"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{said}");
}
