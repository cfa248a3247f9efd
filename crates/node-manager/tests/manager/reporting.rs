//! What is seen reaches the leader, whatever a component does.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use quorate_model::Readiness;

use crate::{
    fake_pack::FakePack,
    host::{Host, Managed, pid_of, runs, until},
    leader::FakeMaster,
    orders::{fake, script},
};

#[test]
fn a_log_is_read_up_to_the_bytes_asked_for() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    leader.desire([script("db-1", "echo one; echo two; exec sleep 1000")]);
    let _manager = host.manage(&[&leader]);
    until("both lines", || host.log("db-1").contains("two"));
    let all = leader.ask_log(1, "db-1", 1 << 30);
    assert_eq!((all.content.as_slice(), all.error.as_str()), (b"one\ntwo\n".as_slice(), ""));
    assert_eq!(leader.ask_log(2, "db-1", 4).content, b"two\n");
    assert_eq!(leader.ask_log(3, "db-9", 4).content, b"", "it never wrote anything");
    let refused = leader.ask_log(4, "../db-1", 4);
    assert!(refused.error.contains("../db-1") && refused.content.is_empty(), "{refused:?}");
}

#[test]
fn reports_are_sent_every_second_and_at_once_when_something_changes() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    let mut options = host.options(&[&leader]);
    options.version = "1.2.3".into();
    let _manager = Managed::new(options);
    assert_eq!(leader.report("a first report", |_| true).version, "1.2.3");
    let began = Instant::now();
    leader.report("the next", |_| true);
    leader.report("the one after that", |_| true);
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
    // Begun right after a report, so that the next one by the clock is a second away. The best of
    // a few: on a busy machine a process may take long to start.
    let mut took = Vec::new();
    for instance in ["db-1", "db-2", "db-3", "db-4"] {
        leader.report("one by the clock", |_| true);
        let began = Instant::now();
        leader.desire([script(instance, "exec sleep 1000")]);
        leader.observed(instance, "ready", |it| it.is_ready());
        took.push(began.elapsed());
    }
    assert!(took.iter().any(|took| *took < Duration::from_millis(700)), "{took:?}");
}

#[test]
fn a_probe_that_hangs_makes_readiness_unknown_and_holds_up_nothing() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    let (pack, mut options) = (Arc::new(FakePack::default()), host.options(&[&leader]));
    pack.put_into(&mut options);
    leader.desire([fake("db-1", "exec sleep 1000")]);
    let _manager = Managed::new(options);
    let pid = pid_of(&leader.observed("db-1", "ready", |it| it.is_ready()));
    pack.silent.store(true, Ordering::SeqCst);
    leader.observed(
        "db-1",
        "of unknown readiness",
        |it| matches!(&it.readiness, Readiness::Unknown { reason } if reason.contains("3 s")),
    );
    let order = fake("db-2", "exec sleep 1000");
    leader.desire([fake("db-1", "exec sleep 1000"), order]);
    leader.observed("db-2", "running", runs);
    pack.silent.store(false, Ordering::SeqCst);
    let seen = leader.observed("db-1", "ready", |it| it.is_ready());
    assert_eq!(pid_of(&seen), pid);
}
