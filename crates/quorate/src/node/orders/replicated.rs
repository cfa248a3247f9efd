//! A master's orders: read in the replicated state, and what became of them told there.

use std::{collections::BTreeMap, time::Duration};

use quorate_control::{Control, use_cases::nodes};
use quorate_model::{OrderKind, OrderReport};
use tokio::sync::watch;
use tracing::{error, warn};

use super::{AGAIN, Orders};

/// How long a report that was not taken rests until it is made again.
const REPORT_AGAIN: Duration = Duration::from_millis(500);

impl Orders {
    /// Takes up the orders in the replicated state, as long as it is there.
    pub(in crate::node) async fn read_state(self, control: Control) {
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

    /// Tells in the log what became of the orders, as long as there is one.
    pub(in crate::node) async fn tell_state(self, control: Control) {
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
