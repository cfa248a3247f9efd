//! A real etcd member, with certificates from the fake leader. Needs Debian's `etcd-server`.

use std::{collections::BTreeMap, net::TcpListener};

use quorate_model::{InstanceObservation, InstanceSpec, MemberRole, NodeId};
use serde_json::json;

use crate::{
    host::{Host, pid_of},
    leader::FakeMaster,
    orders::{Reorder, command},
};

/// Ports that nothing listens on now. They lie below the kernel's ephemeral range, so that no
/// outgoing connection takes one between its choice here and its use.
fn free_ports<const N: usize>() -> [u16; N] {
    let first = 12_100 + u16::try_from(std::process::id() % 100).unwrap() * 40;
    let mut free = (first..16_200).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    [(); N].map(|()| free.next().unwrap())
}

#[test]
fn etcd_members_become_ready_with_certificates_and_one_is_restarted_alone() {
    let (host, leader) = (Host::new(), FakeMaster::leader(1, 1, 1));
    let ports = free_ports::<6>();
    let mut order = command("orders-1", &[]);
    order.component.name = "orders".parse().unwrap();
    order.component.pack = "etcd".parse().unwrap();
    order.component.settings.clear();
    order.component.instances = (0..3)
        .map(|index| InstanceSpec {
            name: format!("orders-{}", index + 1).parse().unwrap(),
            node: NodeId(7),
            settings: BTreeMap::from([
                ("client_port".into(), json!(ports[2 * index])),
                ("peer_port".into(), json!(ports[2 * index + 1])),
            ]),
        })
        .collect();
    let orders = ["orders-1", "orders-2", "orders-3"].map(|name| {
        let mut order = order.clone();
        order.instance = name.parse().unwrap();
        order
    });
    leader.desire(orders.clone());
    let _manager = host.manage(&[&leader]);
    let leads = |it: &&InstanceObservation| {
        it.member.as_ref().is_some_and(|member| member.role == MemberRole::Leader)
    };
    let seen = leader.report("three ready members, one of which leads", |report| {
        let ready = report.instances.iter().filter(|it| it.is_ready() && it.member.is_some());
        ready.count() == 3 && report.instances.iter().filter(leads).count() == 1
    });
    let seen = seen.instances;
    assert_eq!(leader.signed().len(), 9, "peer, server and client for each");

    let [first, second, third] = orders;
    leader.desire([first.restarted(2), second, third]);
    let again = leader.observed("orders-1", "restarted", |it| it.starts == 2 && it.is_ready());
    assert_ne!(pid_of(&again), pid_of(&seen[0]));
    for before in &seen[1..] {
        let after = leader.observed(before.instance.as_str(), "any report", |_| true);
        assert_eq!(pid_of(&after), pid_of(before));
    }
}
