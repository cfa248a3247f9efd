//! Several hosts on one machine: network namespaces with their own addresses and a network
//! between them whose links can be cut, one way or both, delayed and healed.
//!
//! Every host has one link to a router, a namespace of its own. Cuts are made there, by policy
//! routing: what the sender sends is dropped on its way without a word to anybody, and what the
//! other side sends still arrives. The machine itself (the test) has a link of its own, which is
//! never cut. Needs root, iproute2 and nsenter.

mod forwarder;
mod ip;
mod place;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use self::{forwarder::Forwarder, ip::ip, place::Place};

/// The rule that drops comes before the one that delays: a cut holds for delayed packets too.
const CUT: &str = "50";
const DELAYED: &str = "60";
/// The routing table whose only way leads through the forwarder.
const SLOW_TABLE: &str = "100";
/// The most hosts in one network.
const HOSTS_MAX: usize = 200;

/// What happens to packets from one host to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Nothing arrives.
    Cut,
    /// Everything arrives so much later.
    Delayed(Duration),
}

/// Hosts that stand until this is dropped, or until the process is dead and another one builds
/// hosts. Hosts are counted from 0.
#[derive(Debug)]
pub struct Hosts {
    count: usize,
    /// What was done to links, by sender and receiver. A link that is not here is whole.
    links: Mutex<BTreeMap<(usize, usize), Link>>,
    /// Made when the first link is delayed.
    forwarder: Mutex<Option<Forwarder>>,
    place: Place,
}

impl Hosts {
    /// Builds so many hosts.
    ///
    /// # Errors
    /// What could not be done, in words: it needs root and iproute2.
    pub fn build(count: usize) -> Result<Self, String> {
        if count > HOSTS_MAX {
            return Err(format!("{HOSTS_MAX} hosts at most"));
        }
        // From here on, dropping it takes down whatever was built.
        let hosts = Self {
            count,
            links: Mutex::default(),
            forwarder: Mutex::default(),
            place: Place::take()?,
        };
        hosts.build_network().map_err(|reason| {
            format!(
                "cannot build hosts of network namespaces: {reason}; this needs root and \
                 iproute2 (`cargo xtask test` installs it)"
            )
        })?;
        Ok(hosts)
    }

    fn build_network(&self) -> Result<(), String> {
        let (router, root) = (self.place.router(), self.place.root_link());
        let (here, there) = self.place.uplink();
        ip(&format!("netns add {router}"))?;
        // No filter of reverse paths: it would look for the way back and make every cut two-way.
        // No redirects: they would tell hosts of a shorter way that does not exist.
        ip::set(&router, "net/ipv4/conf/all/rp_filter", "0")?;
        ip::set(&router, "net/ipv4/conf/default/rp_filter", "0")?;
        ip::set(&router, "net/ipv4/conf/all/send_redirects", "0")?;
        ip::set(&router, "net/ipv4/conf/default/send_redirects", "0")?;
        ip::set(&router, "net/ipv4/ip_forward", "1")?;
        ip(&format!("link add {root} type veth peer name root netns {router}"))?;
        ip(&format!("addr add {here}/30 dev {root}"))?;
        ip(&format!("link set {root} up"))?;
        ip(&format!("-n {router} addr add {there}/30 dev root"))?;
        ip(&format!("-n {router} link set root up"))?;
        ip(&format!("route add {} via {there}", self.place.network()))?;
        for host in 0..self.count {
            self.build_host(host)?;
        }
        Ok(())
    }

    /// The gateway's address is the same on every host, as no host is on another one's wire.
    fn build_host(&self, host: usize) -> Result<(), String> {
        const GATEWAY: &str = "169.254.1.1";
        let (router, name, address) =
            (self.place.router(), self.namespace(host), self.address(host));
        ip(&format!("netns add {name}"))?;
        ip(&format!("-n {router} link add h{host} type veth peer name eth0 netns {name}"))?;
        ip(&format!("-n {router} addr add {GATEWAY}/32 dev h{host}"))?;
        ip(&format!("-n {router} link set h{host} up"))?;
        ip(&format!("-n {router} route add {address} dev h{host}"))?;
        ip(&format!("-n {name} link set lo up"))?;
        ip(&format!("-n {name} addr add {address}/32 dev eth0"))?;
        ip(&format!("-n {name} link set eth0 up"))?;
        ip(&format!("-n {name} route add {GATEWAY} dev eth0"))?;
        ip(&format!("-n {name} route add default via {GATEWAY}"))
    }

    /// How many hosts there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// A host's address. It is reached from every host and from this machine.
    #[must_use]
    pub fn address(&self, host: usize) -> Ipv4Addr {
        self.place.address(host)
    }

    /// The name of a host's network namespace, as `ip netns exec` takes it.
    #[must_use]
    pub fn namespace(&self, host: usize) -> String {
        self.place.namespace(host)
    }

    /// A command that will run on a host. The process that is started is the program itself.
    #[must_use]
    pub fn command(&self, host: usize, program: impl AsRef<std::ffi::OsStr>) -> Command {
        enter(&self.namespace(host), program)
    }

    /// Calls `act` on a thread that is on a host. A socket made there stays there.
    ///
    /// # Panics
    /// When the host cannot be entered, or when `act` does.
    pub fn inside<T: Send + 'static>(
        &self,
        host: usize,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
        let path = format!("/run/netns/{}", self.namespace(host));
        let acting = std::thread::spawn(move || {
            let namespace = std::fs::File::open(&path).expect("the namespace is there");
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), kind)
                .expect("it can be entered by root");
            act()
        });
        acting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Drops every packet from one host to another; the other way stays as it is.
    ///
    /// # Panics
    /// When the network cannot be changed; so do all that follow.
    pub fn cut(&self, from: usize, to: usize) {
        self.set(from, to, Some(Link::Cut));
    }

    /// Drops every packet between two hosts.
    pub fn cut_both_ways(&self, one: usize, other: usize) {
        self.cut(one, other);
        self.cut(other, one);
    }

    /// Cuts every link between some hosts and all the others, both ways.
    pub fn part(&self, some: &[usize]) {
        for &one in some {
            for other in (0..self.count).filter(|other| !some.contains(other)) {
                self.cut_both_ways(one, other);
            }
        }
    }

    /// Lets every packet from one host to another arrive so much later.
    pub fn delay(&self, from: usize, to: usize, by: Duration) {
        self.set(from, to, Some(Link::Delayed(by)));
    }

    /// Makes the way from one host to another whole; the other way stays as it is.
    pub fn heal(&self, from: usize, to: usize) {
        self.set(from, to, None);
    }

    /// Makes all links whole.
    pub fn heal_all(&self) {
        let broken: Vec<_> = self.links().keys().copied().collect();
        for (from, to) in broken {
            self.heal(from, to);
        }
    }

    /// What was done to links and not healed, by sender and receiver.
    #[must_use]
    pub fn broken(&self) -> BTreeMap<(usize, usize), Link> {
        self.links().clone()
    }

    fn set(&self, from: usize, to: usize, link: Option<Link>) {
        assert!(from < self.count && to < self.count, "there are {} hosts", self.count);
        self.try_set(from, to, link)
            .unwrap_or_else(|reason| panic!("the link from {from} to {to}: {reason}"));
    }

    /// The new rule comes before the old one goes, so that no packet slips through in between.
    fn try_set(&self, from: usize, to: usize, link: Option<Link>) -> Result<(), String> {
        let mut links = self.links();
        let before = links.get(&(from, to)).copied();
        if before == link {
            return Ok(());
        }
        let router = self.place.router();
        let (source, target) = (self.address(from), self.address(to));
        let between = format!("from {source} to {target}");
        let rule = |link: Link| match link {
            Link::Cut => format!("pref {CUT} {between} blackhole"),
            // What the forwarder gives back comes from its own device and is not delayed again.
            Link::Delayed(_) => {
                format!("pref {DELAYED} {between} iif h{from} lookup {SLOW_TABLE}")
            }
        };
        let same_rule = before.map(rule) == link.map(rule);
        if let Some(Link::Delayed(by)) = link {
            self.slow_down(source, target, by)?;
        }
        if let Some(link) = link.filter(|_| !same_rule) {
            ip(&format!("-n {router} rule add {}", rule(link)))?;
        }
        if let Some(before) = before.filter(|_| !same_rule) {
            ip(&format!("-n {router} rule del {}", rule(before)))?;
        }
        match link {
            Some(link) => links.insert((from, to), link),
            None => links.remove(&(from, to)),
        };
        Ok(())
    }

    fn slow_down(&self, from: Ipv4Addr, to: Ipv4Addr, by: Duration) -> Result<(), String> {
        let mut forwarder = self.forwarder.lock().unwrap_or_else(PoisonError::into_inner);
        if forwarder.is_none() {
            let (router, device) = (self.place.router(), self.place.forwarder());
            let started = Forwarder::start(&device)?;
            ip(&format!("link set {device} netns {router}"))?;
            ip(&format!("-n {router} link set {device} up"))?;
            ip(&format!("-n {router} route add default dev {device} table {SLOW_TABLE}"))?;
            *forwarder = Some(started);
        }
        if let Some(forwarder) = forwarder.as_ref() {
            forwarder.delay(from, to, by);
        }
        Ok(())
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<(usize, usize), Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A command that will run in a network namespace. `nsenter` becomes the program, so that its pid
/// is the child's.
pub(crate) fn enter(namespace: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{namespace}")).arg("--").arg(program);
    command
}

#[cfg(test)]
mod tests;
