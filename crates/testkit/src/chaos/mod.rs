//! Faults at five masters on hosts of their own, while clients read and write settings through
//! every one of them, and what must hold all the same.
//!
//! - No two masters lead in one term.
//! - A master that cannot reach a majority acknowledges nothing.
//! - What clients saw is linearizable; so nothing acknowledged is lost, and no read is stale.
//! - When the faults are over, all five masters serve again.
//!
//! Faults come in rounds. After each round everything is healed and judged, so that a failure is
//! near its cause, and a run may last as long as one likes.

mod claims;
mod fault;

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use self::claims::Claims;
pub use self::fault::{MasterFault, NetworkFault};
use crate::{
    ClusterBuilder, Dice, NodeHandle, ProcessCluster, Rest, SettingsClients, eventually,
    history::{self, Call},
    hosts::Hosts,
    settings_clients::{Seen, Workload},
};

const MASTERS: usize = 5;
/// Small enough to be filled at once, large enough for hours.
const DISK_MEBIBYTES: u32 = 96;
/// How long an election and a write may take on a busy machine while one link is cut.
const AVAILABLE: Duration = Duration::from_secs(30);
/// Whoever is asked in the middle of faults may not answer at all.
const CLIENT_DEADLINE: Duration = Duration::from_secs(3);
/// Longer than an election needs, so that the cluster moves while a link is cut.
const LINK_CUT_LEAST: Duration = Duration::from_millis(500);
const RANDOM_FAULTS_PER_ROUND: u32 = 25;

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// How often something was made to go wrong.
    pub faults: u32,
    /// In how many rounds.
    pub rounds: u32,
    /// How many reads and writes had an answer.
    pub answered: usize,
    /// How many writes had none, and so may have happened or not.
    pub unknown: usize,
    /// How many operations asked a minority in vain.
    pub minority_in_vain: usize,
    /// In how many terms somebody led.
    pub terms: usize,
    /// How often a master was asked whether it leads.
    pub asked: u64,
    /// The longest that the cluster needed to serve again after a round.
    pub slowest_recovery: Duration,
}

/// Five masters and whoever torments them.
#[derive(Debug)]
pub struct Chaos {
    cluster: ProcessCluster,
    /// A caller that gives up soon.
    rest: Rest,
    urls: Vec<String>,
    dice: Dice,
    begun: Instant,
    claims: Claims,
    watching: Vec<JoinHandle<()>>,
    report: Report,
}

/// Masters that could not reach a majority for a while.
#[derive(Debug)]
struct Minority {
    fault: NetworkFault,
    masters: Vec<usize>,
    from: u64,
    until: u64,
}

impl Chaos {
    /// Starts five masters, the clock of one an hour fast and that of another an hour slow.
    ///
    /// # Panics
    /// When that fails.
    pub async fn start(binary: impl AsRef<Path>, seed: u64) -> Self {
        let builder = ClusterBuilder::new(binary).masters(MASTERS);
        let mut cluster = builder.on_own_hosts().master_disk(DISK_MEBIBYTES).start().await;
        for (master, seconds) in [(1, 3600), (2, -3600)] {
            let fault = MasterFault::Clock(seconds);
            fault.begin(&mut cluster.masters[master]);
            fault.end(&mut cluster.masters[master]);
            cluster.await_voters(MASTERS).await;
        }
        let urls: Vec<String> = cluster.masters.iter().map(NodeHandle::url).collect();
        let claims = Claims::default();
        Self {
            rest: cluster.rest.clone().with_deadline(CLIENT_DEADLINE),
            dice: Dice::new(seed),
            begun: Instant::now(),
            watching: claims.watch(&urls),
            report: Report::default(),
            cluster,
            urls,
            claims,
        }
    }

    /// Cuts every single link, both ways and each way by itself, one after the other. A write
    /// must succeed during each.
    ///
    /// # Panics
    /// When something does not hold; so do all that follow.
    pub async fn cut_every_single_link(&mut self) {
        for faults in NetworkFault::every_single_link(MASTERS).chunks(10) {
            let clients = self.begin_round();
            for fault in faults {
                let cut = Instant::now();
                fault.begin(self.hosts());
                self.await_write(&format!("a write during {fault:?}")).await;
                sleep(LINK_CUT_LEAST.saturating_sub(cut.elapsed())).await;
                self.hosts().heal_all();
                self.report.faults += 1;
            }
            self.end_round(clients, Vec::new()).await;
        }
    }

    /// What can go wrong with one master goes wrong with the leader, once each; the others must
    /// acknowledge a write meanwhile. A stopped leader stays stopped for ten seconds.
    pub async fn strike_the_leader_with_each_fault(&mut self) {
        let clients = self.begin_round();
        for fault in
            [MasterFault::Kill, MasterFault::Stop, MasterFault::FullDisk, MasterFault::Clock(3600)]
        {
            let leader = self.cluster.leader().await;
            let struck = Instant::now();
            fault.begin(&mut self.cluster.masters[leader]);
            self.await_write(&format!("a write during {fault:?} of the leader")).await;
            if fault == MasterFault::Stop {
                sleep(Duration::from_secs(10).saturating_sub(struck.elapsed())).await;
            }
            fault.end(&mut self.cluster.masters[leader]);
            self.report.faults += 1;
        }
        self.end_round(clients, Vec::new()).await;
    }

    /// One round of faults by chance: at most one of the network and one of a master at a time.
    /// Returns how many there were.
    pub async fn strike_at_random(&mut self, at_most: u32) -> u32 {
        let clients = self.begin_round();
        let left = AtomicU32::new(at_most.min(RANDOM_FAULTS_PER_ROUND));
        let (mut network_dice, mut master_dice) = (self.dice.split(), self.dice.split());
        let ProcessCluster { masters, hosts, .. } = &mut self.cluster;
        let hosts = hosts.as_ref().expect("the masters have hosts");
        let (minorities, ()) = tokio::join!(
            strike_network(hosts, &mut network_dice, &left, self.begun),
            strike_masters(masters, &mut master_dice, &left),
        );
        let struck = at_most.min(RANDOM_FAULTS_PER_ROUND);
        self.report.faults += struck;
        self.end_round(clients, minorities).await;
        struck
    }

    /// What was done so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let (terms, asked) = self.claims.count();
        Report { terms, asked, ..self.report }
    }

    fn hosts(&self) -> &Hosts {
        self.cluster.hosts.as_ref().expect("the masters have hosts")
    }

    /// Each round has settings of its own, so that its history can be judged by itself.
    fn begin_round(&mut self) -> SettingsClients {
        self.report.rounds += 1;
        let workload = Workload {
            rest: self.rest.clone(),
            urls: self.urls.clone(),
            prefix: format!("round-{}", self.report.rounds),
            keys: 8,
            clients: 10,
            pause: Duration::from_millis(40),
        };
        SettingsClients::start(&workload, self.begun, &mut self.dice)
    }

    async fn end_round(&mut self, clients: SettingsClients, minorities: Vec<Minority>) {
        let healed = Instant::now();
        self.await_write("a write after everything was healed").await;
        self.await_all_masters().await;
        self.report.slowest_recovery = self.report.slowest_recovery.max(healed.elapsed());
        let seen = clients.stop().await;
        for (master, node) in self.cluster.masters.iter().enumerate() {
            self.claims.read_log(master, &node.log());
        }
        self.judge(&seen, &minorities);
    }

    fn judge(&mut self, seen: &[Seen], minorities: &[Minority]) {
        let must = |held: Result<(), String>| held.unwrap_or_else(|what| panic!("{what}"));
        must(self.claims.check());
        for minority in minorities {
            let asked = seen.iter().filter(|seen| minority.was_asked(seen));
            for seen in asked {
                self.report.minority_in_vain += 1;
                must(minority.acknowledged_nothing(seen));
            }
        }
        let operations: Vec<_> = seen.iter().map(|seen| seen.operation.clone()).collect();
        must(history::check(&operations));
        let answered = operations.iter().filter(|it| it.returned_at.is_some()).count();
        assert!(answered > 0, "the clients had no answer in a whole round");
        self.report.answered += answered;
        self.report.unknown += operations.len() - answered;
    }

    /// Waits until some master acknowledges a write that was asked for after this was called.
    async fn await_write(&self, what: &str) {
        eventually(what, AVAILABLE, || async {
            let mut writes = JoinSet::new();
            for url in self.urls.clone() {
                let rest = self.rest.clone();
                writes.spawn(async move {
                    let written = rest.put_setting(&url, "available", &json!(true)).await;
                    written.is_ok_and(|answer| answer.status == 200)
                });
            }
            while let Some(written) = writes.join_next().await {
                if written.is_ok_and(|acknowledged| acknowledged) {
                    return true;
                }
            }
            false
        })
        .await;
    }

    /// A master that has ended by itself is a failure as well.
    async fn await_all_masters(&mut self) {
        for master in &mut self.cluster.masters {
            let log = master.log();
            let end = log.len().saturating_sub(3000);
            let end = (end..).find(|&at| log.is_char_boundary(at)).unwrap_or_default();
            assert!(!master.has_ended(), "{} ended by itself:\n{}", master.name, &log[end..]);
        }
        self.cluster.await_voters(MASTERS).await;
    }
}

impl Minority {
    /// A write that began after the cut and had its answer before it was healed.
    fn was_asked(&self, seen: &Seen) -> bool {
        let operation = &seen.operation;
        matches!(operation.call, Call::Write(_))
            && self.masters.contains(&seen.master)
            && operation.called_at >= self.from
            && operation.called_at < self.until
    }

    fn acknowledged_nothing(&self, seen: &Seen) -> Result<(), String> {
        let within = seen.operation.returned_at.is_some_and(|at| at <= self.until);
        if within {
            let master = seen.master;
            Err(format!(
                "m{} acknowledged {:?} during {:?}",
                master + 1,
                seen.operation,
                self.fault
            ))
        } else {
            Ok(())
        }
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        for task in &self.watching {
            task.abort();
        }
    }
}

/// One of what is left, if anything is.
fn take_one(left: &AtomicU32) -> bool {
    let less = |left: u32| left.checked_sub(1);
    left.try_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
}

async fn strike_network(
    hosts: &Hosts,
    dice: &mut Dice,
    left: &AtomicU32,
    begun: Instant,
) -> Vec<Minority> {
    let now = || u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let mut minorities = Vec::new();
    while take_one(left) {
        let fault = NetworkFault::throw(dice, MASTERS);
        let masters = fault.minority(MASTERS);
        fault.begin(hosts);
        let from = now();
        sleep(dice.between_ms(200, 1200)).await;
        let until = now();
        hosts.heal_all();
        minorities.push(Minority { fault, masters, from, until });
        sleep(dice.between_ms(50, 400)).await;
    }
    minorities
}

async fn strike_masters(masters: &mut [NodeHandle], dice: &mut Dice, left: &AtomicU32) {
    while take_one(left) {
        let fault = MasterFault::throw(dice);
        let master = &mut masters[dice.position(MASTERS)];
        fault.begin(master);
        sleep(match fault {
            MasterFault::Kill | MasterFault::Clock(_) => dice.between_ms(100, 1000),
            MasterFault::Stop => dice.between_ms(200, 2000),
            MasterFault::FullDisk => dice.between_ms(500, 2500),
        })
        .await;
        fault.end(master);
        sleep(dice.between_ms(100, 600)).await;
    }
}
