//! What the state machine shows to the rest of the process: the newest state and how far it is.

use std::sync::Arc;

use quorate_state::State;
use tokio::sync::watch;

/// The sending side, held by the state machine; receivers are handed out by [`Published`].
#[derive(Clone, Debug)]
pub(crate) struct Published {
    state: watch::Sender<Arc<State>>,
    applied: watch::Sender<Option<u64>>,
}

impl Published {
    pub(crate) fn new(state: Arc<State>, applied: Option<u64>) -> Self {
        Self { state: watch::Sender::new(state), applied: watch::Sender::new(applied) }
    }

    /// Publishes the state first, so that whoever waits for an index finds a state that has it.
    pub(crate) fn publish(&self, state: &Arc<State>, applied: Option<u64>) {
        self.state.send_if_modified(|current| {
            let changed = !Arc::ptr_eq(current, state);
            if changed {
                *current = Arc::clone(state);
            }
            changed
        });
        self.applied.send_replace(applied);
    }

    pub(crate) fn state(&self) -> watch::Receiver<Arc<State>> {
        self.state.subscribe()
    }

    pub(crate) fn current(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow())
    }

    /// The last entry that is applied.
    pub(crate) fn applied_now(&self) -> Option<u64> {
        *self.applied.borrow()
    }

    /// Waits until everything up to `index` is applied.
    pub(crate) async fn applied(&self, index: u64) {
        let mut applied = self.applied.subscribe();
        // The sender is ours: it cannot be gone.
        drop(applied.wait_for(|applied| *applied >= Some(index)).await);
    }
}
