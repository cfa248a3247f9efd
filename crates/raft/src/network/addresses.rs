//! Where the other masters are reached: as the membership says, or as they said themselves since.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quorate_model::NodeId;

/// What is known of one master's address.
#[derive(Debug, Default)]
struct Known {
    /// What the membership says.
    decided: Option<String>,
    /// What the master said after that. A membership that nobody can change yet, because its
    /// leader is not found, must not keep those from each other who could elect one.
    told: Option<String>,
}

/// Clones share what is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Addresses(Arc<Mutex<HashMap<NodeId, Known>>>);

impl Addresses {
    /// The membership says so. What is new there is newer than what was told before.
    pub(crate) fn decided(&self, node: NodeId, addr: &str) {
        let mut known = self.known();
        let known = known.entry(node).or_default();
        if known.decided.as_deref() != Some(addr) {
            *known = Known { decided: Some(addr.to_owned()), told: None };
        }
    }

    /// The master itself says so; who it is was made sure of.
    pub(crate) fn told(&self, node: NodeId, addr: &str) {
        self.known().entry(node).or_default().told = Some(addr.to_owned());
    }

    /// Where the master is reached. A replication that is under way goes on asking for the address
    /// that it began with, so what is known here counts for more than what is asked for.
    pub(crate) fn newest(&self, node: NodeId, asked: &str) -> String {
        let known = self.known();
        let newest = known.get(&node).and_then(|it| it.told.as_ref().or(it.decided.as_ref()));
        newest.map_or_else(|| asked.to_owned(), Clone::clone)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<NodeId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(2);

    #[test]
    fn the_last_word_on_an_address_counts_whoever_says_it() {
        let addresses = Addresses::default();
        assert_eq!(addresses.newest(NODE, "asked"), "asked");
        addresses.decided(NODE, "a");
        assert_eq!(addresses.newest(NODE, "asked"), "a");
        addresses.told(NODE, "b");
        assert_eq!(addresses.newest(NODE, "asked"), "b");
        // The membership as it was already is no news.
        addresses.decided(NODE, "a");
        assert_eq!(addresses.newest(NODE, "asked"), "b");
        addresses.decided(NODE, "b");
        addresses.decided(NODE, "c");
        assert_eq!(addresses.newest(NODE, "asked"), "c");
        addresses.told(NODE, "a");
        assert_eq!(addresses.newest(NODE, "asked"), "a");
    }
}
