//! Which of this machine's numbers a set of hosts has: its names and its addresses follow from it.
//!
//! A number is held by a lock on a file, which the kernel gives back when the process dies,
//! however that happens. So a number that can be locked belongs to nobody alive, and what still
//! bears it was left by a dead run and is taken down.

use std::{
    fs::{File, OpenOptions, create_dir_all},
    net::Ipv4Addr,
    path::Path,
};

use super::ip::{ip, namespaces};

const LOCKS: &str = "/run/quorate-hosts";
/// Names of interfaces have 15 characters at most.
const PREFIX: &str = "quorate";
/// Hosts are numbered from here within their network.
const FIRST_HOST: u8 = 10;

/// A number of this machine that nobody else has, and what bears it.
#[derive(Debug)]
pub(super) struct Place {
    number: u8,
    _lock: File,
}

impl Place {
    /// Takes the first free number, after taking down what dead runs left.
    pub(super) fn take() -> Result<Self, String> {
        create_dir_all(LOCKS).map_err(|error| format!("cannot make {LOCKS}: {error}"))?;
        clear_leftovers();
        for number in 0..=u8::MAX {
            if let Some(place) = Self::lock(number)? {
                return Ok(place);
            }
        }
        Err("all places for hosts on this machine are taken".to_owned())
    }

    /// `None` when somebody alive has it.
    fn lock(number: u8) -> Result<Option<Self>, String> {
        let path = Path::new(LOCKS).join(number.to_string());
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| format!("cannot open {}: {error}", path.display()))?;
        // Only made when it is locked: when it is dropped, it clears.
        Ok(file.try_lock().is_ok().then(|| Self { number, _lock: file }))
    }

    pub(super) fn router(&self) -> String {
        format!("{PREFIX}-{}-router", self.number)
    }

    pub(super) fn namespace(&self, host: usize) -> String {
        format!("{PREFIX}-{}-h{host}", self.number)
    }

    /// The machine's own interface of the link to the router.
    pub(super) fn root_link(&self) -> String {
        format!("{PREFIX}{}", self.number)
    }

    /// The device of the forwarder.
    pub(super) fn forwarder(&self) -> String {
        format!("{PREFIX}{}slow", self.number)
    }

    /// All addresses. The block is set aside for tests of networks (RFC 2544), so it is nobody's.
    pub(super) fn network(&self) -> String {
        format!("198.18.{}.0/24", self.number)
    }

    /// The two ends of the link between the machine and the router.
    pub(super) const fn uplink(&self) -> (Ipv4Addr, Ipv4Addr) {
        (Ipv4Addr::new(198, 18, self.number, 1), Ipv4Addr::new(198, 18, self.number, 2))
    }

    pub(super) fn address(&self, host: usize) -> Ipv4Addr {
        let last = u8::try_from(host).unwrap_or(u8::MAX).saturating_add(FIRST_HOST);
        Ipv4Addr::new(198, 18, self.number, last)
    }

    /// Takes down all that bears this number. What is not there cannot be taken down, so nothing
    /// is made of failures.
    fn clear(&self) {
        // First, and by name: with the router's namespace it would go a little later.
        drop(ip(&format!("link del {}", self.root_link())));
        drop(ip(&format!("link del {}", self.forwarder())));
        let mine = format!("{PREFIX}-{}-", self.number);
        for name in namespaces().iter().filter(|name| name.starts_with(&mine)) {
            drop(ip(&format!("netns del {name}")));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Takes down what was left by runs that are dead.
fn clear_leftovers() {
    let number = |name: &String| {
        name.strip_prefix(PREFIX)?.strip_prefix('-')?.split('-').next()?.parse().ok()
    };
    let numbers: std::collections::BTreeSet<u8> = namespaces().iter().filter_map(number).collect();
    for number in numbers {
        // Locked and dropped, it is cleared.
        drop(Place::lock(number));
    }
}
