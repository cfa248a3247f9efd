//! Older orders and older leaders are refused, also after a restart.

use quorate_model::Generation;

use crate::{
    host::{Host, pid_of, runs, until},
    leader::FakeMaster,
    orders::{Reorder, script},
};

#[test]
fn an_older_term_epoch_or_generation_is_refused_also_after_a_restart() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 2, 5));
    let order = script("db-1", "exec sleep 1000");
    leader.desire([order.clone().at(2, 5, 7)]);
    let mut manager = host.manage(&[&leader]);
    let pid = pid_of(&leader.observed("db-1", "running", runs));
    for _ in 0..2 {
        for (epoch, term, generation) in [(2, 5, 6), (2, 4, 9), (1, 9, 9)] {
            leader.desire([order.clone().stopped(0).at(epoch, term, generation)]);
        }
        // What is sent after them is obeyed, so they have been looked at by then.
        leader.desire([order.clone().at(2, 5, 8)]);
        let seen = leader.observed("db-1", "obeyed", |it| it.generation == Generation(8));
        assert_eq!((pid_of(&seen), seen.starts), (pid, 1));
        manager.stop();
        leader.desire([order.clone().stopped(0).at(2, 5, 6)]);
        manager = host.manage(&[&leader]);
        leader.observed("db-1", "reported by the next node manager", runs);
    }
    let seen = leader.observed("db-1", "any report", |_| true);
    assert_eq!((pid_of(&seen), seen.generation), (pid, Generation(8)));
    manager.stop();
}

#[test]
fn a_leader_of_an_older_term_is_not_listened_to_also_after_a_restart() {
    let host = Host::new();
    let leader = FakeMaster::leader(2, 1, 5);
    leader.desire([script("db-1", "exec sleep 1000").at(1, 5, 1)]);
    let manager = host.manage(&[&leader]);
    leader.observed("db-1", "running", runs);
    manager.stop();

    // It would even order something that was never ordered before.
    let old = FakeMaster::leader(1, 1, 4);
    old.desire([script("db-2", "exec sleep 1000").at(1, 4, 9)]);
    let reports = leader.reports();
    let _manager = host.manage(&[&old]);
    until("a report to the true leader", || leader.reports() > reports);
    leader.die();
    let sessions = old.sessions();
    until("two more attempts with the old leader", || old.sessions() >= sessions + 2);
    assert_eq!(old.reports(), 0);
    assert!(!host.path("data/instances/db-2").exists());
}

#[test]
fn an_order_is_on_disk_before_it_is_carried_out() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    let record = host.path("data/instances/db-1/obeyed.json");
    let copy = host.path("copy");
    let text = format!("cp {} {}; exec sleep 1000", record.display(), copy.display());
    leader.desire([script("db-1", &text).at(1, 1, 42)]);
    let _manager = host.manage(&[&leader]);
    leader.observed("db-1", "running", runs);
    until("the copy the instance made", || host.read("copy").ends_with('}'));
    let obeyed: serde_json::Value = serde_json::from_str(&host.read("copy")).unwrap();
    assert_eq!(obeyed["desired"]["generation"], 42);
}
