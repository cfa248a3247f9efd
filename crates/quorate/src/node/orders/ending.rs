//! How this process ends: for good, or to begin anew.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// What a process becomes once it has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) enum Anew {
    /// The program that is installed now.
    Restarted,
    /// The binary that the node's record names.
    Followed,
}

/// How this process shall end.
#[derive(Clone)]
pub(in crate::node) struct Ending {
    stop: watch::Sender<bool>,
    anew: Arc<Mutex<Option<Anew>>>,
    asked: Arc<Mutex<bool>>,
}

impl Ending {
    pub(in crate::node) fn new() -> Self {
        Self { stop: watch::Sender::new(false), anew: Arc::default(), asked: Arc::default() }
    }

    /// Turns true when the process shall stop.
    pub(in crate::node) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// It shall end for good: a person, or a part that failed, says so. That outranks an order to
    /// begin anew.
    pub(in crate::node) fn end(&self) {
        *self.anew.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.stop.send_replace(true);
    }

    /// A person ends it for good.
    pub(in crate::node) fn end_as_asked(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end();
    }

    /// Whether a person ended it.
    pub(in crate::node) fn was_asked(&self) -> bool {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It shall stop and begin anew, unless it is ending already.
    pub(in crate::node) fn begin_anew(&self, how: Anew) {
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
    pub(in crate::node) fn anew(&self) -> Option<Anew> {
        *self.anew.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
