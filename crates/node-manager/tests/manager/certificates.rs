//! Certificates are made on the host, signed by the leader, kept, and renewed in time.

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use quorate_model::{ProcessState, codes};
use serde_json::json;

use crate::{
    fake_pack::FakePack,
    host::{Host, Managed, pid_of, runs, until},
    leader::FakeMaster,
    orders::{Reorder, fake},
};

const TLS: &str = "data/instances/db-1/tls";
const CERTIFICATE: &str = "data/instances/db-1/tls/server.crt";

fn manage(host: &Host, masters: &[&FakeMaster]) -> Managed {
    let mut options = host.options(masters);
    Arc::new(FakePack::default()).put_into(&mut options);
    Managed::new(options)
}

fn order(names: &[&str]) -> quorate_model::DesiredInstance {
    fake("db-1", "exec sleep 1000").set("names", json!(names))
}

#[test]
fn a_certificate_is_signed_once_and_serves_without_any_master() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    leader.desire([order(&["localhost", "127.0.0.1"])]);
    let manager = manage(&host, &[&leader]);
    let pid = pid_of(&leader.observed("db-1", "running", runs));
    let signed = leader.signed();
    assert_eq!(signed.len(), 1);
    assert_eq!((signed[0].instance.as_str(), signed[0].common_name.as_str()), ("db-1", "db-1"));
    assert_eq!(signed[0].names, ["localhost", "127.0.0.1"]);
    for (file, mode) in [("server.crt", 0o644), ("server.key", 0o600), ("ca.crt", 0o644)] {
        let found = fs::metadata(host.path(TLS).join(file)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, mode, "{file}");
    }
    let conf = fs::metadata(host.path("data/instances/db-1/config/fake.conf")).unwrap();
    assert_eq!(conf.permissions().mode() & 0o777, 0o640);

    // Another node manager, no master, and even the files are gone.
    manager.stop();
    let before = host.read(CERTIFICATE);
    leader.die();
    for file in ["server.crt", "server.key", "ca.crt"] {
        fs::remove_file(host.path(TLS).join(file)).unwrap();
    }
    crate::host::kill(pid, rustix::process::Signal::KILL);
    let _manager = manage(&host, &[]);
    until("the certificate in its place", || host.read(CERTIFICATE) == before);
    until("a start without any master", || {
        host.read("data/instances/db-1/starts.json").contains(r#""count":2"#)
    });
}

#[test]
fn other_names_and_a_near_end_are_reasons_for_another_certificate() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    // Certificates begin a day before they are made, so little of this one is left.
    leader.set_certificate_lifetime(Duration::from_secs(60));
    leader.desire([order(&["localhost"])]);
    let _manager = manage(&host, &[&leader]);
    let before = leader.observed("db-1", "running", runs);
    assert_eq!(leader.signed().len(), 1);
    leader.set_certificate_lifetime(Duration::from_secs(86_400));
    let first = host.read(CERTIFICATE);
    leader.desire([order(&["localhost"]).at(1, 1, 2)]);
    until("the renewed certificate", || {
        leader.signed().len() == 2 && host.read(CERTIFICATE) != first
    });
    // The next one is good for long.
    leader.desire([order(&["localhost"]).at(1, 1, 3)]);
    leader.observed("db-1", "obeyed", |it| it.generation.0 == 3);
    leader.desire([order(&["localhost", "db-1.example"]).at(1, 1, 4)]);
    until("a certificate for another name", || leader.signed().len() == 3);
    let after = leader.observed("db-1", "obeyed", |it| it.generation.0 == 4);
    assert_eq!((pid_of(&after), after.starts), (pid_of(&before), 1), "renewal restarts nothing");
}

#[test]
fn an_instance_without_a_certificate_waits_for_a_leader_and_says_so() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    // Names of nodes are never signed.
    leader.desire([order(&["n1.quorate.internal"])]);
    let _manager = manage(&host, &[&leader]);
    let seen =
        leader.observed("db-1", "failed", |it| matches!(it.process, ProcessState::Failed { .. }));
    match seen.process {
        ProcessState::Failed { refusal } => {
            assert_eq!(refusal.code, codes::INSTANCE_START_FAILED);
            assert!(refusal.cause.unwrap().contains("reserved"));
        }
        other => panic!("it should have failed: {other:?}"),
    }
    leader.desire([order(&["localhost"]).at(1, 1, 2)]);
    leader.observed("db-1", "running", runs);
}
