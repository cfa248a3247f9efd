//! Orders to this process: written down, then obeyed, once.
//!
//! A master reads its order in the replicated state; a node manager is told in its session. Both
//! come here. An order that is not newer than the last one written down is never obeyed, so that
//! a restart happens once, whoever repeats the order, and whenever this process dies. What became
//! of it is written down as well, and told: by a master in the log, by a node manager in its
//! reports.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quorate_control::{Control, use_cases::nodes};
use quorate_keyring::atomic_write;
use quorate_model::{
    Binary, Generation, NodeId, NodeOrder, OrderKind, OrderOutcome, OrderReport, Refusal, codes,
};
use quorate_node_manager::{KnownMasters, OrdersTold};
use quorate_raft::Dialer;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::{
    Folders,
    binary::{self, Binaries, Staging},
    os::refuse_file,
    reexec::Image,
};

/// How long an order that cannot be obeyed rests until it is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How long a report that was not taken rests until it is made again.
const REPORT_AGAIN: Duration = Duration::from_millis(500);
/// The version of the record.
const VERSION: u32 = 1;

/// `orders.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    version: u32,
    obeyed: Generation,
    #[serde(default)]
    report: Option<OrderReport>,
}

impl Record {
    fn load(folders: &Folders) -> Result<Self, Refusal> {
        let file = folders.orders_file();
        match std::fs::read(&file) {
            Ok(bytes) => {
                let record: Self = serde_json::from_slice(&bytes).map_err(|error| {
                    refuse_file("read", &file, &std::io::Error::other(error.to_string()))
                })?;
                if record.version > VERSION {
                    return Err(Refusal::new(
                        codes::FORMAT_TOO_NEW,
                        format!("{} is of a newer version", file.display()),
                    ));
                }
                Ok(record)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { version: VERSION, obeyed: Generation(0), report: None })
            }
            Err(error) => Err(refuse_file("read", &file, &error)),
        }
    }

    fn store(&self, folders: &Folders) -> Result<(), Refusal> {
        let bytes = serde_json::to_vec(self)
            .map_err(|error| Refusal::new(codes::INTERNAL, error.to_string()))?;
        atomic_write(&folders.orders_file(), &bytes, 0o600).map_err(|error| Refusal::from(&error))
    }

    fn of(report: OrderReport) -> Self {
        Self { version: VERSION, obeyed: report.generation, report: Some(report) }
    }
}

/// What a process becomes once it has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anew {
    /// The program that is installed now.
    Restarted,
    /// The binary that the node's record names.
    Followed,
}

/// How this process shall end.
#[derive(Clone)]
pub(super) struct Ending {
    stop: watch::Sender<bool>,
    anew: Arc<Mutex<Option<Anew>>>,
    asked: Arc<Mutex<bool>>,
}

impl Ending {
    pub(super) fn new() -> Self {
        Self { stop: watch::Sender::new(false), anew: Arc::default(), asked: Arc::default() }
    }

    /// Turns true when the process shall stop.
    pub(super) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// It shall end for good: a person, or a part that failed, says so. That outranks an order to
    /// begin anew.
    pub(super) fn end(&self) {
        *self.anew.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.stop.send_replace(true);
    }

    /// A person ends it for good.
    pub(super) fn end_as_asked(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end();
    }

    /// Whether a person ended it.
    pub(super) fn was_asked(&self) -> bool {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It shall stop and begin anew, unless it is ending already.
    pub(super) fn begin_anew(&self, how: Anew) {
        self.stop.send_if_modified(|stop| {
            if !*stop {
                *self.anew.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
                *stop = true;
                return true;
            }
            false
        });
    }

    /// What it shall become once it has stopped.
    pub(super) fn anew(&self) -> Option<Anew> {
        *self.anew.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The orders of this process.
#[derive(Clone)]
pub(super) struct Orders {
    folders: Folders,
    binaries: Binaries,
    newest: watch::Sender<Option<NodeOrder>>,
    told: watch::Sender<OrdersTold>,
    /// Where a binary may be had from, and the cluster's feature level, as the master in this
    /// process knows them.
    masters: watch::Sender<BTreeMap<NodeId, String>>,
    level: watch::Sender<u32>,
}

impl Orders {
    /// Reads what was obeyed before this process began.
    pub(super) fn open(folders: &Folders) -> Result<Self, Refusal> {
        let mut record = Record::load(folders)?;
        // An upgrade whose attempt is not under way was interrupted between the two records.
        if let Some(OrderReport { generation, outcome: OrderOutcome::UnderWay }) = record.report
            && binary::attempted(folders)? != Some(generation)
        {
            let refusal = Refusal::new(
                codes::UPGRADE_ROLLED_BACK,
                "the node was ended before it could go on as the new binary",
            )
            .hint(
                "the new binary was not tried; order this node anew: quorate operation resume ID",
            );
            record =
                Record::of(OrderReport { generation, outcome: OrderOutcome::Failed { refusal } });
            record.store(folders)?;
        }
        let told = OrdersTold { obeyed: record.obeyed, report: record.report };
        Ok(Self {
            folders: folders.clone(),
            binaries: Binaries::of(folders),
            newest: watch::Sender::new(None),
            told: watch::Sender::new(told),
            masters: watch::Sender::new(BTreeMap::new()),
            level: watch::Sender::new(1),
        })
    }

    /// What is said of the orders: the newest that was obeyed, and what became of it.
    pub(super) fn told(&self) -> watch::Receiver<OrdersTold> {
        self.told.subscribe()
    }

    /// The cluster's feature level, as the master in this process or a leader says it.
    pub(super) fn level(&self) -> watch::Sender<u32> {
        self.level.clone()
    }

    /// The binaries of this node.
    pub(super) fn binaries(&self) -> Binaries {
        self.binaries.clone()
    }

    /// Where orders are put, from whichever side they come.
    pub(super) fn inbox(&self) -> watch::Sender<Option<NodeOrder>> {
        self.newest.clone()
    }

    /// Takes up the orders in the replicated state, as long as it is there.
    pub(super) async fn read_state(self, control: Control) {
        let mut states = control.state_watch();
        loop {
            let (order, level) = {
                let state = states.borrow_and_update();
                let node = state.metadata.nodes.get(&control.node());
                (node.and_then(|node| node.order.clone()), state.feature_level)
            };
            raise(&self.level, level);
            let others: BTreeMap<_, _> = nodes::other_masters(&control).into_iter().collect();
            self.masters.send_if_modified(|known| {
                let changed = *known != others;
                *known = others;
                changed
            });
            let obeyed = self.told.borrow().obeyed;
            if let Some(order) = order.filter(|order| order.generation > obeyed) {
                if order.kind == OrderKind::Purge {
                    self.prepare_purge(&control).await;
                }
                self.put(order);
            }
            if states.changed().await.is_err() {
                return;
            }
        }
    }

    /// What the purge leaves is the newest snapshot: it must hold the order, and all before it.
    async fn prepare_purge(&self, control: &Control) {
        loop {
            let applied = control.state().applied;
            match control.raft().snapshot_of(applied).await {
                Ok(()) => return,
                Err(reason) => error!(%reason, "no snapshot could be made before the purge"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Whether a purge that was ordered is still to be done, before anything else.
    pub(super) fn purge_is_due(&self) -> bool {
        self.folders.purge_mark().exists()
    }

    /// The purge is done.
    pub(super) fn purged(&self) -> Result<(), Refusal> {
        let mark = self.folders.purge_mark();
        std::fs::remove_file(&mark).map_err(|error| refuse_file("remove", &mark, &error))
    }

    /// Tells in the log what became of the orders, as long as there is one.
    pub(super) async fn tell_state(self, control: Control) {
        let mut told = self.told.subscribe();
        loop {
            let report = told.borrow_and_update().report.clone();
            if let Some(report) = report {
                while !is_known(&control, &report) {
                    match nodes::report_order(&control, control.node(), report.clone()).await {
                        Ok(()) => break,
                        Err(refusal) => {
                            warn!(code = %refusal.code, "an order's end is not told: {refusal}");
                            tokio::time::sleep(REPORT_AGAIN).await;
                        }
                    }
                }
            }
            if told.changed().await.is_err() {
                return;
            }
        }
    }

    fn put(&self, order: NodeOrder) {
        self.newest.send_if_modified(|newest| {
            let is_newer = newest.as_ref().is_none_or(|it| it.generation < order.generation);
            if is_newer {
                *newest = Some(order);
            }
            is_newer
        });
    }

    /// Obeys one new order after the other. Returns when this process is to end for one.
    pub(super) async fn obey(self, image: Image, dialer: Arc<dyn Dialer>, ending: Ending) {
        let mut newest = self.newest.subscribe();
        let mut obeyed = self.told.borrow().obeyed;
        loop {
            let order = newest
                .wait_for(|order| order.as_ref().is_some_and(|it| it.generation > obeyed))
                .await;
            // The sender lives in `self`, so waiting cannot fail.
            let Some(order) = order.ok().and_then(|order| order.clone()) else { return };
            match self.try_obey(&order, &image, &*dialer, &ending).await {
                Ok(true) => return,
                Ok(false) => obeyed = order.generation,
                Err(reason) => {
                    error!(generation = %order.generation, %reason, "an order cannot be obeyed");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Obeys an order; true when the process ends for it.
    async fn try_obey(
        &self,
        order: &NodeOrder,
        image: &Image,
        dialer: &dyn Dialer,
        ending: &Ending,
    ) -> Result<bool, String> {
        let generation = order.generation;
        let words = |refusal: Refusal| refusal.to_string();
        match &order.kind {
            OrderKind::Restart => {
                self.restart(generation, image, ending).await?;
                Ok(true)
            }
            OrderKind::Purge => {
                // Done by the next process, again if it is interrupted; what it removes is needless
                // in any case.
                atomic_write(&self.folders.purge_mark(), b"", 0o600)
                    .map_err(|error| error.to_string())?;
                self.restart(generation, image, ending).await?;
                Ok(true)
            }
            OrderKind::Stage { binary } => {
                info!(%generation, sha256 = %binary.sha256, "staging a binary, as ordered");
                match self.stage(binary, dialer).await {
                    Ok(seen) => self.done(generation, seen).map_err(words)?,
                    Err(refusal) => self.failed(generation, refusal).map_err(words)?,
                }
                Ok(false)
            }
            OrderKind::Upgrade { binary, ready_within_ms } => {
                if let Err(refusal) = self.stage(binary, dialer).await {
                    self.failed(generation, refusal).map_err(words)?;
                    return Ok(false);
                }
                let report = OrderReport { generation, outcome: OrderOutcome::UnderWay };
                Record::of(report).store(&self.folders).map_err(words)?;
                let program = image.program();
                binary::begin_attempt(&self.folders, program, generation, binary, *ready_within_ms)
                    .map_err(words)?;
                info!(%generation, version = %binary.facts.version, "upgrading, as ordered");
                ending.begin_anew(Anew::Followed);
                Ok(true)
            }
        }
    }

    async fn restart(
        &self,
        generation: Generation,
        image: &Image,
        ending: &Ending,
    ) -> Result<(), String> {
        let installed = binary::installed(&self.folders, image.program());
        let next = installed.map_or_else(|| image.clone(), |it| image.clone().with_program(it));
        next.check().await?;
        // From here on the order counts as obeyed, whatever happens.
        let record = Record { version: VERSION, obeyed: generation, report: None };
        record.store(&self.folders).map_err(|refusal| refusal.to_string())?;
        info!(%generation, "restarting, as ordered");
        ending.begin_anew(Anew::Restarted);
        Ok(())
    }

    /// Has the binary on this node's disk, and tries that it runs here.
    async fn stage(&self, binary: &Binary, dialer: &dyn Dialer) -> Result<String, Refusal> {
        let mut masters = self.masters.borrow().clone();
        let known = KnownMasters::load(&self.folders.node_manager()).unwrap_or_default();
        for (node, addr) in known.masters {
            masters.entry(node).or_insert(addr);
        }
        let level = *self.level.borrow();
        let staging = Staging { store: &self.binaries, dialer, masters, level };
        binary::stage(binary, &staging).await
    }

    /// An order was carried out.
    pub(super) fn done(&self, generation: Generation, seen: String) -> Result<(), Refusal> {
        self.end(OrderReport { generation, outcome: OrderOutcome::Done { seen } })
    }

    fn failed(&self, generation: Generation, refusal: Refusal) -> Result<(), Refusal> {
        warn!(%generation, code = %refusal.code, cause = refusal.cause,
            "an order was not carried out: {refusal}");
        self.end(OrderReport { generation, outcome: OrderOutcome::Failed { refusal } })
    }

    fn end(&self, report: OrderReport) -> Result<(), Refusal> {
        Record::of(report.clone()).store(&self.folders)?;
        self.told.send_replace(OrdersTold { obeyed: report.generation, report: Some(report) });
        Ok(())
    }

    /// Writes down that an order was not carried out, for the process that tells it.
    pub(super) fn note_failure(
        folders: &Folders,
        generation: Generation,
        refusal: Refusal,
    ) -> Result<(), Refusal> {
        let report = OrderReport { generation, outcome: OrderOutcome::Failed { refusal } };
        let known = Record::load(folders)?;
        if !report.is_news_after(known.report.as_ref()) {
            return Ok(());
        }
        Record::of(report).store(folders)
    }
}

/// A level only ever rises.
fn raise(levels: &watch::Sender<u32>, to: u32) {
    levels.send_if_modified(|level| {
        let rises = *level < to;
        *level = to.max(*level);
        rises
    });
}

fn is_known(control: &Control, report: &OrderReport) -> bool {
    let state = control.state();
    let node = state.metadata.nodes.get(&control.node());
    node.is_none_or(|node| !report.is_news_after(node.order_report.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::dial::Nobody;

    fn folders(root: &std::path::Path) -> Folders {
        let folders = Folders::resolve(&super::super::FolderArgs::default(), Some(root), None);
        folders.create().unwrap();
        folders
    }

    fn order(generation: u64) -> NodeOrder {
        NodeOrder { generation: Generation(generation), kind: OrderKind::Restart }
    }

    #[tokio::test]
    async fn an_order_is_written_down_and_obeyed_once() {
        let temp = tempfile::tempdir().unwrap();
        let folders = folders(temp.path());
        let image = Image::of_program("/bin/true".into());
        let orders = Orders::open(&folders).unwrap();
        assert_eq!(orders.told().borrow().obeyed, Generation(0));
        let ending = Ending::new();
        orders.inbox().send_replace(Some(order(7)));
        orders.clone().obey(image.clone(), Arc::new(Nobody), ending.clone()).await;
        assert_eq!(ending.anew(), Some(Anew::Restarted));
        assert!(*ending.stop().borrow());

        // The next process, told the same again, goes on.
        let orders = Orders::open(&folders).unwrap();
        assert_eq!(orders.told().borrow().obeyed, Generation(7));
        let ending = Ending::new();
        orders.put(order(7));
        orders.put(order(6));
        let obeying = tokio::spawn(orders.clone().obey(image, Arc::new(Nobody), ending.clone()));
        tokio::task::yield_now().await;
        assert!(ending.anew().is_none() && !*ending.stop().borrow());
        orders.put(order(8));
        obeying.await.unwrap();
        assert_eq!(ending.anew(), Some(Anew::Restarted));
    }

    #[tokio::test]
    async fn a_purge_is_due_until_it_is_done_whatever_is_ordered_meanwhile() {
        let temp = tempfile::tempdir().unwrap();
        let folders = folders(temp.path());
        let image = Image::of_program("/bin/true".into());
        let purge = NodeOrder { generation: Generation(3), kind: OrderKind::Purge };
        let orders = Orders::open(&folders).unwrap();
        assert!(!orders.purge_is_due());
        assert!(orders.try_obey(&purge, &image, &Nobody, &Ending::new()).await.unwrap());

        let orders = Orders::open(&folders).unwrap();
        assert!(orders.purge_is_due());
        assert!(orders.try_obey(&order(4), &image, &Nobody, &Ending::new()).await.unwrap());
        let orders = Orders::open(&folders).unwrap();
        assert!(orders.purge_is_due());
        assert_eq!(orders.told().borrow().obeyed, Generation(4));
        orders.purged().unwrap();
        assert!(!Orders::open(&folders).unwrap().purge_is_due());
    }

    #[tokio::test]
    async fn a_node_does_not_stop_for_a_program_that_does_not_run() {
        let temp = tempfile::tempdir().unwrap();
        let orders = Orders::open(&folders(temp.path())).unwrap();
        for program in ["/bin/false", "/nonexistent"] {
            let image = Image::of_program(program.into());
            let ending = Ending::new();
            assert!(orders.try_obey(&order(1), &image, &Nobody, &ending).await.is_err());
            assert!(ending.anew().is_none() && !*ending.stop().borrow());
            assert!(!folders(temp.path()).orders_file().exists());
        }
    }

    #[tokio::test]
    async fn what_cannot_be_staged_is_told_and_nothing_stops() {
        let temp = tempfile::tempdir().unwrap();
        let folders = folders(temp.path());
        let orders = Orders::open(&folders).unwrap();
        let binary: Binary = serde_json::from_value(serde_json::json!({
            "sha256": "0f".repeat(32), "size": 1, "version": "9.9.9", "architecture": "x86_64",
            "featureLevels": { "from": 1, "to": 1 },
        }))
        .unwrap();
        let upgrade = OrderKind::Upgrade { binary, ready_within_ms: 1000 };
        let order = NodeOrder { generation: Generation(3), kind: upgrade };
        let (image, ending) = (Image::of_program("/bin/true".into()), Ending::new());
        tokio::time::pause();
        let ends = orders.try_obey(&order, &image, &Nobody, &ending).await.unwrap();
        assert!(!ends && !*ending.stop().borrow() && !folders.upgrade_file().exists());
        let told = Orders::open(&folders).unwrap().told().borrow().clone();
        let Some(OrderReport { outcome: OrderOutcome::Failed { refusal }, .. }) = told.report
        else {
            panic!("{told:?}");
        };
        assert_eq!((told.obeyed, refusal.code), (Generation(3), codes::BINARY_ABSENT));
    }

    #[test]
    fn an_upgrade_that_was_ended_before_its_attempt_began_has_failed() {
        let temp = tempfile::tempdir().unwrap();
        let folders = folders(temp.path());
        let generation = Generation(5);
        let report = OrderReport { generation, outcome: OrderOutcome::UnderWay };
        Record::of(report).store(&folders).unwrap();
        let told = Orders::open(&folders).unwrap().told().borrow().clone();
        assert_eq!(told.obeyed, generation);
        let failed = told.report.unwrap();
        assert!(matches!(failed.outcome, OrderOutcome::Failed { .. }), "{failed:?}");
    }

    #[test]
    fn a_person_who_stops_a_node_outranks_an_order_to_restart_it() {
        let ending = Ending::new();
        ending.begin_anew(Anew::Restarted);
        ending.end();
        assert_eq!(ending.anew(), None);
        let ending = Ending::new();
        ending.end();
        ending.begin_anew(Anew::Restarted);
        assert_eq!(ending.anew(), None);
    }
}
