//! Readiness: one value with its unmet preconditions, feeding `/readyz`, the 503 body, the
//! console's splash, `status` and the exit on timeout.

use std::sync::Arc;

use quorate_api::rest::{Precondition, ReadinessView};
use tokio::sync::watch;

/// Opens once this master has a leader, a quorum, and a state as new as the leader's. The gate
/// for requests stays open from then on; the live value follows the cluster.
#[derive(Debug, Clone)]
pub struct ReadinessGate {
    live: Arc<watch::Sender<ReadinessView>>,
    opened: Arc<watch::Sender<bool>>,
}

impl Default for ReadinessGate {
    fn default() -> Self {
        let starting = ReadinessView {
            ready: false,
            unmet: vec![Precondition {
                name: "leader".to_owned(),
                unmet: "this master has only just started".to_owned(),
            }],
        };
        Self {
            live: Arc::new(watch::Sender::new(starting)),
            opened: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl ReadinessGate {
    /// The value of now.
    #[must_use]
    pub fn live(&self) -> ReadinessView {
        self.live.borrow().clone()
    }

    /// The value, to be followed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<ReadinessView> {
        self.live.subscribe()
    }

    /// Whether the cluster has been ready once since this process started.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.opened.borrow()
    }

    /// Returns when the gate is open.
    pub async fn opened(&self) {
        let mut opened = self.opened.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = opened.wait_for(|open| *open).await;
    }

    /// Sets the live value; returns whether this opened the gate.
    pub(crate) fn set(&self, unmet: Vec<Precondition>) -> bool {
        let ready = unmet.is_empty();
        self.live.send_if_modified(|live| {
            let new = ReadinessView { ready, unmet };
            let differs = *live != new;
            *live = new;
            differs
        });
        ready && self.opened.send_if_modified(|open| !std::mem::replace(open, true))
    }
}
