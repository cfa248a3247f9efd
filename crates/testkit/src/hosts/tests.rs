//! The network does what it says, seen from sockets on the hosts themselves.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    time::Instant,
};

use super::*;

/// Longer than anything on this machine takes that is not held back.
const SOON: Duration = Duration::from_millis(500);

fn sockets(hosts: &Hosts) -> Vec<UdpSocket> {
    (0..hosts.count())
        .map(|host| {
            let address = hosts.address(host);
            let socket = hosts.inside(host, move || UdpSocket::bind((address, 4000)).unwrap());
            socket.set_read_timeout(Some(SOON)).unwrap();
            socket
        })
        .collect()
}

/// Whether a packet arrives, and after how long.
fn sent(sockets: &[UdpSocket], from: usize, to: usize) -> Option<Duration> {
    let begun = Instant::now();
    let target = sockets[to].local_addr().unwrap();
    sockets[from].send_to(b"packet", target).unwrap();
    let mut packet = [0; 16];
    let (length, sender) = sockets[to].recv_from(&mut packet).ok()?;
    assert_eq!((&packet[..length], sender), (&b"packet"[..], sockets[from].local_addr().unwrap()));
    Some(begun.elapsed())
}

#[test]
fn a_cut_one_way_drops_one_way_without_a_word_and_leaves_all_else() {
    let hosts = Hosts::build(3).unwrap();
    let sockets = sockets(&hosts);
    let arrives = |from, to| sent(&sockets, from, to).is_some();
    assert!(arrives(0, 1) && arrives(1, 0) && arrives(2, 0), "whole at first");
    hosts.cut(0, 1);
    // Cutting twice is cutting once.
    hosts.cut(0, 1);
    assert!(!arrives(0, 1), "the cut way");
    assert!(arrives(1, 0), "the way back");
    assert!(arrives(0, 2) && arrives(2, 1), "the ways round");
    hosts.heal(0, 1);
    assert!(arrives(0, 1), "healed");
    hosts.part(&[2]);
    assert!(!arrives(2, 0) && !arrives(0, 2) && !arrives(1, 2), "a host by itself");
    assert!(arrives(0, 1), "the others among themselves");
    assert_eq!(hosts.broken().len(), 4);
    hosts.heal_all();
    assert!(arrives(2, 0) && arrives(0, 2) && hosts.broken().is_empty(), "all healed");
}

#[test]
fn a_delay_holds_packets_back_one_way_and_a_cut_is_stronger() {
    let hosts = Hosts::build(2).unwrap();
    let sockets = sockets(&hosts);
    let by = Duration::from_millis(200);
    hosts.delay(0, 1, by);
    let took = sent(&sockets, 0, 1).expect("it arrives");
    assert!(took >= by, "{took:?}");
    let back = sent(&sockets, 1, 0).expect("it arrives");
    assert!(back < by, "the way back is not delayed: {back:?}");
    hosts.delay(0, 1, Duration::from_millis(20));
    let took = sent(&sockets, 0, 1).expect("it arrives");
    assert!(took >= Duration::from_millis(20) && took < by, "{took:?}");
    hosts.cut(0, 1);
    assert!(sent(&sockets, 0, 1).is_none(), "cut");
    hosts.heal(0, 1);
    assert!(sent(&sockets, 0, 1).is_some_and(|took| took < by), "healed");
}

#[test]
fn a_connection_outlives_a_short_cut_and_a_long_packet_a_delay() {
    let hosts = Hosts::build(2).unwrap();
    let address = hosts.address(1);
    let listener = hosts.inside(1, move || TcpListener::bind((address, 4000)).unwrap());
    let mut caller = hosts.inside(0, move || TcpStream::connect((address, 4000)).unwrap());
    let (mut called, _) = listener.accept().unwrap();
    hosts.delay(0, 1, Duration::from_millis(30));
    let sent = vec![7; 300_000];
    let expected = sent.clone();
    let writing = std::thread::spawn(move || {
        caller.write_all(&sent).unwrap();
        caller
    });
    hosts.cut(1, 0);
    std::thread::sleep(Duration::from_millis(100));
    hosts.heal(1, 0);
    let mut received = vec![0; expected.len()];
    called.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    called.read_exact(&mut received).unwrap();
    assert!(received == expected);
    drop(writing.join().unwrap());
}

#[test]
fn networks_do_not_touch_each_other_and_nothing_is_left_of_them() {
    let (one, other) = (Hosts::build(2).unwrap(), Hosts::build(2).unwrap());
    assert_ne!(one.address(0), other.address(0));
    one.cut_both_ways(0, 1);
    let sockets = sockets(&other);
    assert!(sent(&sockets, 0, 1).is_some());
    let names = [one.namespace(0), other.namespace(1)];
    assert!(names.iter().all(|name| ip::namespaces().contains(name)));
    // Also when the test that has it panics.
    let panicked = std::thread::spawn(move || {
        let _one = one;
        let _other = other;
        panic!("as a failed test does");
    });
    assert!(panicked.join().is_err());
    assert!(!names.iter().any(|name| ip::namespaces().contains(name)));
}

#[test]
fn a_command_runs_on_its_host() {
    let hosts = Hosts::build(1).unwrap();
    let output = hosts.command(0, "ip").args(["-4", "-o", "addr", "show"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains(&hosts.address(0).to_string()), "{said}");
}
