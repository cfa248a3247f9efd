//! What can go wrong, done and undone.

use std::{fs::File, time::Duration};

use rustix::{
    fs::{FallocateFlags, fallocate},
    process::Signal,
};

use crate::{Dice, NodeHandle, hosts::Hosts};

/// How far clocks are set apart.
const HOUR_S: i64 = 3600;

/// What goes wrong between hosts. Masters and their hosts have the same positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkFault {
    /// Nothing from one arrives at the other.
    CutOneWay(usize, usize),
    /// Nothing passes between two.
    CutBothWays(usize, usize),
    /// Nothing passes between some and all others.
    Part(Vec<usize>),
    /// One sends, but nothing arrives at it.
    Deaf(usize),
    /// Everything arrives at one, but nothing it sends arrives.
    Mute(usize),
    /// What one sends to all others comes late.
    Slow(usize, Duration),
}

impl NetworkFault {
    /// Any of them.
    pub fn throw(dice: &mut Dice, hosts: usize) -> Self {
        let one = dice.position(hosts);
        let other = (one + 1 + dice.position(hosts - 1)) % hosts;
        match dice.below(12) {
            0..=1 => Self::CutOneWay(one, other),
            2 => Self::CutBothWays(one, other),
            3..=4 => Self::Part(vec![one]),
            5..=7 => Self::Part(vec![one, other]),
            8 => Self::Deaf(one),
            9 => Self::Mute(one),
            _ => Self::Slow(one, dice.between_ms(20, 150)),
        }
    }

    /// Every cut of a single link: each pair both ways, then each way by itself.
    #[must_use]
    pub fn every_single_link(hosts: usize) -> Vec<Self> {
        let pairs = (0..hosts).flat_map(|a| (0..a).map(move |b| (b, a)));
        let ways =
            (0..hosts).flat_map(|a| (0..hosts).filter(move |&b| b != a).map(move |b| (a, b)));
        let both = pairs.map(|(a, b)| Self::CutBothWays(a, b));
        both.chain(ways.map(|(a, b)| Self::CutOneWay(a, b))).collect()
    }

    pub(super) fn begin(&self, hosts: &Hosts) {
        let others = |one: usize| (0..hosts.count()).filter(move |&other| other != one);
        match self {
            Self::CutOneWay(from, to) => hosts.cut(*from, *to),
            Self::CutBothWays(one, other) => hosts.cut_both_ways(*one, *other),
            Self::Part(some) => hosts.part(some),
            Self::Deaf(one) => others(*one).for_each(|other| hosts.cut(other, *one)),
            Self::Mute(one) => others(*one).for_each(|other| hosts.cut(*one, other)),
            Self::Slow(one, by) => others(*one).for_each(|other| hosts.delay(*one, other, *by)),
        }
    }

    /// Those that cannot reach a majority while this lasts, and so may acknowledge nothing.
    #[must_use]
    pub fn minority(&self, hosts: usize) -> Vec<usize> {
        match self {
            Self::Part(some) if some.len() * 2 < hosts => some.clone(),
            // Whoever hears nothing hears no acknowledgement; whoever is not heard gets none.
            Self::Deaf(one) | Self::Mute(one) => vec![*one],
            _ => Vec::new(),
        }
    }
}

/// What goes wrong with one master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MasterFault {
    /// Killed as by a power cut, and started again.
    Kill,
    /// Stopped in the middle of whatever it does (SIGSTOP), and resumed.
    Stop,
    /// Its disk is full, and has space again.
    FullDisk,
    /// Killed, and started with its clock so many seconds off.
    Clock(i64),
}

impl MasterFault {
    /// Any of them.
    pub const fn throw(dice: &mut Dice) -> Self {
        match dice.below(10) {
            0..=3 => Self::Kill,
            4..=6 => Self::Stop,
            7 => Self::FullDisk,
            8 => Self::Clock(HOUR_S),
            _ => Self::Clock(-HOUR_S),
        }
    }

    pub(super) fn begin(self, master: &mut NodeHandle) {
        match self {
            Self::Kill => master.kill(),
            Self::Clock(seconds) => {
                master.kill();
                master.set_env("QUORATE_CLOCK_OFFSET", &seconds.to_string());
            }
            Self::Stop => master.signal(Signal::STOP),
            Self::FullDisk => fill_disk(master),
        }
    }

    pub(super) fn end(self, master: &mut NodeHandle) {
        match self {
            Self::Kill | Self::Clock(_) => master.start(),
            Self::Stop => master.signal(Signal::CONT),
            Self::FullDisk => drop(std::fs::remove_file(filler(master))),
        }
    }
}

fn filler(master: &NodeHandle) -> std::path::PathBuf {
    master.root.join("filler")
}

/// Takes all the space of the disk that the master has for itself, a little less each time until
/// not a page is left.
fn fill_disk(master: &NodeHandle) {
    let file = File::create(filler(master)).expect("there is space for a name");
    let (mut at, mut step) = (0, 1_u64 << 24);
    while step >= 4096 {
        match fallocate(&file, FallocateFlags::empty(), at, step) {
            Ok(()) => at += step,
            Err(_) => step /= 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_hosts_have_ten_pairs_and_twenty_ways() {
        let faults = NetworkFault::every_single_link(5);
        let both = |fault: &&NetworkFault| matches!(fault, NetworkFault::CutBothWays(..));
        assert_eq!((faults.iter().filter(both).count(), faults.len()), (10, 30));
        for (at, fault) in faults.iter().enumerate() {
            assert!(!faults[..at].contains(fault), "{fault:?} twice");
        }
    }

    #[test]
    fn every_kind_is_thrown_and_nobody_is_cut_from_itself() {
        let mut dice = Dice::new(1);
        let mut kinds = std::collections::HashSet::new();
        for _ in 0..500 {
            let fault = NetworkFault::throw(&mut dice, 5);
            kinds.insert(std::mem::discriminant(&fault));
            match fault {
                NetworkFault::CutOneWay(a, b) | NetworkFault::CutBothWays(a, b) => assert_ne!(a, b),
                NetworkFault::Part(some) if some.len() == 2 => assert_ne!(some[0], some[1]),
                _ => {}
            }
        }
        assert_eq!(kinds.len(), 6);
    }

    #[test]
    fn a_minority_is_whoever_cannot_be_acknowledged_by_a_majority() {
        let table = [
            (NetworkFault::Part(vec![0, 3]), vec![0, 3]),
            (NetworkFault::Part(vec![0, 1, 2]), vec![]),
            (NetworkFault::Deaf(4), vec![4]),
            (NetworkFault::Mute(1), vec![1]),
            (NetworkFault::CutBothWays(0, 1), vec![]),
        ];
        for (fault, expected) in table {
            assert_eq!(fault.minority(5), expected, "{fault:?}");
        }
    }
}
