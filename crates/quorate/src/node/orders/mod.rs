//! Orders to this process: written down, then obeyed, once.
//!
//! A master reads its order in the replicated state; a node manager is told in its session. Both
//! come here. An order that is not newer than the last one written down is never obeyed, so that
//! a restart happens once, whoever repeats the order, and whenever this process dies. What became
//! of it is written down as well, and told: by a master in the log, by a node manager in its
//! reports.

mod ending;
mod record;
mod replicated;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use quorate_keyring::atomic_write;
use quorate_model::{
    Binary, Generation, NodeId, NodeOrder, OrderKind, OrderOutcome, OrderReport, Refusal, codes,
};
use quorate_node_manager::{KnownMasters, OrdersTold};
use quorate_raft::Dialer;
use tokio::sync::watch;
use tracing::{error, info, warn};

use self::record::{Record, VERSION};
use super::{
    Folders,
    binary::{self, Binaries, Staging},
    os::refuse_file,
    reexec::Image,
};

pub(super) use self::ending::{Anew, Ending};

/// How long an order that cannot be obeyed rests until it is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// The orders of this process.
#[derive(Clone)]
pub(in crate::node) struct Orders {
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
    pub(in crate::node) fn open(folders: &Folders) -> Result<Self, Refusal> {
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
    pub(in crate::node) fn told(&self) -> watch::Receiver<OrdersTold> {
        self.told.subscribe()
    }

    /// The cluster's feature level, as the master in this process or a leader says it.
    pub(in crate::node) fn level(&self) -> watch::Sender<u32> {
        self.level.clone()
    }

    /// The binaries of this node.
    pub(in crate::node) fn binaries(&self) -> Binaries {
        self.binaries.clone()
    }

    /// Where orders are put, from whichever side they come.
    pub(in crate::node) fn inbox(&self) -> watch::Sender<Option<NodeOrder>> {
        self.newest.clone()
    }

    /// Whether a purge that was ordered is still to be done, before anything else.
    pub(in crate::node) fn purge_is_due(&self) -> bool {
        self.folders.purge_mark().exists()
    }

    /// The purge is done.
    pub(in crate::node) fn purged(&self) -> Result<(), Refusal> {
        let mark = self.folders.purge_mark();
        std::fs::remove_file(&mark).map_err(|error| refuse_file("remove", &mark, &error))
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
    pub(in crate::node) async fn obey(self, image: Image, dialer: Arc<dyn Dialer>, ending: Ending) {
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
    pub(in crate::node) fn done(
        &self,
        generation: Generation,
        seen: String,
    ) -> Result<(), Refusal> {
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
    pub(in crate::node) fn note_failure(
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

#[cfg(test)]
mod tests;
