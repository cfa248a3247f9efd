//! How orders are ordered, and the record of the highest that was obeyed.

use quorate_model::{DesiredInstance, Epoch, Generation, Term};
use serde::{Deserialize, Serialize};

use crate::disk::RECORD_VERSION;

/// By what right a leader speaks: a later epoch, then a later term, outranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub(crate) struct Authority {
    pub(crate) epoch: Epoch,
    pub(crate) term: Term,
}

/// The place of one order among all orders of its instance. The order of the fields matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OrderKey {
    authority: Authority,
    generation: Generation,
}

impl OrderKey {
    pub(crate) const fn of(desired: &DesiredInstance) -> Self {
        Self {
            authority: Authority { epoch: desired.epoch, term: desired.term },
            generation: desired.generation,
        }
    }
}

impl std::fmt::Display for OrderKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { authority: Authority { epoch, term }, generation } = self;
        write!(f, "(epoch {epoch}, term {term}, generation {generation})")
    }
}

/// `obeyed.json`: the highest order of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Obeyed {
    version: u32,
    /// The leader does not list the instance any more: what runs is left alone.
    pub(crate) released: bool,
    /// The order, whole, so that it can be kept without any master.
    pub(crate) desired: DesiredInstance,
}

/// What is to be done about an order that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is what is obeyed already.
    Known,
    /// It is to be written down, then obeyed.
    Obey,
    /// A higher one was obeyed before.
    Refuse,
}

impl Obeyed {
    pub(crate) const fn new(desired: DesiredInstance) -> Self {
        Self { version: RECORD_VERSION, released: false, desired }
    }

    pub(crate) fn released(mut self) -> Self {
        self.released = true;
        self
    }

    /// Judges an order against the highest obeyed so far. An equal key is no older: addresses
    /// may change without a new generation.
    pub(crate) fn judge(former: Option<&Self>, order: &DesiredInstance) -> Verdict {
        match former {
            Some(former) if OrderKey::of(order) < OrderKey::of(&former.desired) => Verdict::Refuse,
            Some(former) if !former.released && former.desired == *order => Verdict::Known,
            _ => Verdict::Obey,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use quorate_model::{ComponentSpec, NodeId, RunState};

    use super::*;

    fn order(epoch: u64, term: u64, generation: u64) -> DesiredInstance {
        DesiredInstance {
            instance: "db-1".parse().unwrap(),
            component: ComponentSpec {
                name: "db".parse().unwrap(),
                pack: "process".parse().unwrap(),
                instances: Vec::new(),
                settings: BTreeMap::new(),
            },
            addresses: BTreeMap::new(),
            run: RunState::Running,
            generation: Generation(generation),
            start_generation: Generation(1),
            first_generation: Generation(0),
            epoch: Epoch(epoch),
            term: Term(term),
        }
    }

    #[test]
    fn an_order_is_judged_by_epoch_then_term_then_generation() {
        let obeyed = Obeyed::new(order(2, 5, 7));
        let table = [
            ((2, 5, 7), Verdict::Known),
            ((2, 5, 8), Verdict::Obey),
            ((2, 6, 7), Verdict::Obey),
            ((2, 6, 1), Verdict::Obey),
            ((3, 1, 1), Verdict::Obey),
            ((2, 5, 6), Verdict::Refuse),
            ((2, 4, 9), Verdict::Refuse),
            ((1, 9, 9), Verdict::Refuse),
        ];
        for ((epoch, term, generation), verdict) in table {
            let order = order(epoch, term, generation);
            assert_eq!(Obeyed::judge(Some(&obeyed), &order), verdict, "{}", OrderKey::of(&order));
        }
        assert_eq!(Obeyed::judge(None, &order(0, 0, 0)), Verdict::Obey);
    }

    #[test]
    fn an_order_of_the_same_key_with_another_address_is_obeyed() {
        let mut moved = order(2, 5, 7);
        moved.addresses.insert(NodeId(1), "10.0.0.1".into());
        assert_eq!(Obeyed::judge(Some(&Obeyed::new(order(2, 5, 7))), &moved), Verdict::Obey);
    }

    #[test]
    fn a_released_instance_is_taken_up_again_but_not_by_an_older_order() {
        let released = Obeyed::new(order(2, 5, 7)).released();
        assert_eq!(Obeyed::judge(Some(&released), &order(2, 5, 7)), Verdict::Obey);
        assert_eq!(Obeyed::judge(Some(&released), &order(2, 4, 8)), Verdict::Refuse);
    }
}
