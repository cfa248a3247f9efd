//! The process pack against real processes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use quorate_model::{ComponentSpec, InstanceName, PackName, Readiness, SettingValue};
use quorate_pack::conformance::{ConformanceEnvironment as _, check_driver};
use quorate_packs::DriverCatalog;
use serde_json::json;
use support::{Processes, component, free_ports};

fn settings(value: SettingValue) -> BTreeMap<String, SettingValue> {
    serde_json::from_value(value).unwrap()
}

async fn conforms(spec: ComponentSpec) {
    let drivers = DriverCatalog::default();
    let driver = drivers.get(&PackName::new("process").unwrap()).unwrap();
    let mut processes = Processes::new(spec);
    let held = check_driver(driver.as_ref(), &mut processes)
        .await
        .unwrap_or_else(|violation| panic!("{violation}\n{}", processes.output()));
    assert!(held.contains(&"a killed instance is seen not to serve"), "{held:#?}");
}

/// A web server that every Debian with Python has.
fn web_server(readiness: SettingValue) -> ComponentSpec {
    let common = settings(json!({
        "command": ["python3", "-m", "http.server", "{port}", "--bind", "{address}"],
        "env": {"PYTHONUNBUFFERED": "1"},
        "working_dir": "{data}",
        "readiness": readiness,
        "readiness_timeout_ms": 500,
    }));
    let ports = free_ports(2);
    component("web", "process", common, ports.iter().map(|port| settings(json!({"port": port}))))
}

#[tokio::test]
async fn the_process_driver_conforms_over_http() {
    conforms(web_server(json!("http://{address}:{port}/"))).await;
}

#[tokio::test]
async fn the_process_driver_conforms_over_a_command() {
    let question = "import os, urllib.request as r; \
                    r.urlopen('http://127.0.0.1:' + os.environ['WHERE'], timeout=5)";
    let mut spec = web_server(json!({"exec": ["python3", "-c", question]}));
    spec.settings.insert("env".to_owned(), json!({"WHERE": "{port}"}));
    spec.settings.insert("readiness_timeout_ms".to_owned(), json!(4_000));
    conforms(spec).await;
}

/// The readiness of an instance that is only asked about, never started.
async fn readiness(readiness: SettingValue, timeout_ms: u64) -> (Readiness, Processes) {
    let spec = component(
        "job",
        "process",
        settings(json!({
            "command": ["sleep", "60"],
            "env": {"SEEN": "{instance}"},
            "readiness": readiness,
            "readiness_timeout_ms": timeout_ms,
        })),
        [BTreeMap::new()],
    );
    let processes = Processes::new(spec);
    let name = InstanceName::new("job-1").unwrap();
    fs::create_dir_all(processes.folder(&name)).unwrap();
    let drivers = DriverCatalog::default();
    let driver = drivers.get(&PackName::new("process").unwrap()).unwrap();
    let view = driver.probe(&processes.context(&name)).await;
    assert_eq!(view.member, None);
    (view.readiness, processes)
}

#[tokio::test]
async fn tcp_readiness_follows_the_port() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    assert_eq!(readiness(json!(url), 2_000).await.0, Readiness::Ready);
    drop(listener);
    let Readiness::NotReady { reason } = readiness(json!(url), 2_000).await.0 else {
        panic!("a closed port is not ready");
    };
    assert!(reason.starts_with(&url) && reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_process_without_a_question_is_ready_when_it_runs() {
    assert_eq!(readiness(SettingValue::Null, 2_000).await.0, Readiness::Ready);
}

#[tokio::test]
async fn a_readiness_command_runs_in_a_clean_environment() {
    // nextest and cargo set CARGO_MANIFEST_DIR; the command must not see it.
    let test = "test \"$SEEN\" = job-1 && test -z \"$CARGO_MANIFEST_DIR\" && test -n \"$PATH\"";
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let (seen, _) = readiness(json!({"exec": ["sh", "-c", test]}), 5_000).await;
    assert_eq!(seen, Readiness::Ready);
}

#[tokio::test]
async fn a_readiness_command_that_fails_or_is_missing_says_so() {
    let (seen, _) = readiness(json!({"exec": ["sh", "-c", "exit 3"]}), 5_000).await;
    let reason = "`sh -c exit 3` ended with exit status: 3".to_owned();
    assert_eq!(seen, Readiness::NotReady { reason });
    let (seen, _) = readiness(json!({"exec": ["/no/such/program"]}), 5_000).await;
    let Readiness::Unknown { reason } = seen else { panic!("{seen:?}") };
    assert!(reason.starts_with("cannot run `/no/such/program`"), "{reason}");
}

#[tokio::test]
async fn a_readiness_command_that_hangs_is_killed_with_all_it_started() {
    let script = "sleep 60 & echo $! > pid; wait";
    let began = Instant::now();
    let (seen, processes) = readiness(json!({"exec": ["sh", "-c", script]}), 700).await;
    assert!(began.elapsed() < Duration::from_secs(10));
    let reason = format!("`sh -c {script}` did not end within 700 ms");
    assert_eq!(seen, Readiness::NotReady { reason });
    let folder = processes.folder(&InstanceName::new("job-1").unwrap());
    let pid = fs::read_to_string(folder.join("pid")).unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        // A killed process that its parent has not waited for yet is a zombie.
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            break;
        }
        assert!(Instant::now() < until, "it runs still: {stat}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
