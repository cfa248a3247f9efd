//! The wire's messages in the model's words.

use std::collections::BTreeMap;

use quorate_api::internal::{Act, Master, Redirect, Welcome};
use quorate_model::{ActionId, DesiredInstance, Epoch, InstanceName, MemberAction, NodeId, Term};
use serde_json::Value;

use crate::order::Authority;

/// Where a master says the leader is.
#[derive(Debug)]
pub(super) struct Redirected {
    pub(super) leader: Option<NodeId>,
    pub(super) masters: BTreeMap<NodeId, String>,
}

impl From<Redirect> for Redirected {
    fn from(redirect: Redirect) -> Self {
        Self { leader: redirect.leader.map(NodeId), masters: masters_of(redirect.masters) }
    }
}

pub(super) fn masters_of(masters: Vec<Master>) -> BTreeMap<NodeId, String> {
    masters.into_iter().map(|it| (NodeId(it.node_id), it.internal_addr)).collect()
}

/// In which epoch and term a leader says that it leads.
pub(super) const fn authority_of(welcome: &Welcome) -> Authority {
    Authority { epoch: Epoch(welcome.epoch), term: Term(welcome.term) }
}

/// A desired list as far as it can be read.
pub(super) struct DesiredList {
    pub(super) orders: Vec<DesiredInstance>,
    /// Why some could not be read. What is not understood must not be taken for what is not
    /// there.
    pub(super) unreadable: Vec<String>,
}

impl DesiredList {
    pub(super) fn read(json: &str) -> Self {
        let mut list = Self { orders: Vec::new(), unreadable: Vec::new() };
        match serde_json::from_str::<Vec<Value>>(json) {
            Ok(values) => {
                for value in values {
                    match serde_json::from_value(value) {
                        Ok(order) => list.orders.push(order),
                        Err(error) => list.unreadable.push(error.to_string()),
                    }
                }
            }
            Err(error) => list.unreadable.push(error.to_string()),
        }
        list
    }
}

/// An action as ordered.
pub(super) struct OrderedAction {
    pub(super) id: ActionId,
    pub(super) via: InstanceName,
    pub(super) action: MemberAction,
}

impl TryFrom<Act> for OrderedAction {
    type Error = String;

    fn try_from(act: Act) -> Result<Self, String> {
        Ok(Self {
            id: serde_json::from_str(&act.id_json).map_err(|error| error.to_string())?,
            via: InstanceName::new(act.via).map_err(|error| error.to_string())?,
            action: serde_json::from_str(&act.action_json).map_err(|error| error.to_string())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_cannot_be_read_does_not_hide_the_others_nor_vanish() {
        let known = r#"{"instance":"db-1","component":{"name":"db","pack":"process",
            "instances":[]},"addresses":{},"run":"running","generation":1,"start_generation":1,
            "epoch":1,"term":1,"of_a_later_version":true}"#;
        let list = DesiredList::read(&format!(r#"[{known}, {{"instance":"db-2"}}]"#));
        assert_eq!((list.orders.len(), list.unreadable.len()), (1, 1));
        let list = DesiredList::read("not json");
        assert_eq!((list.orders.len(), list.unreadable.len()), (0, 1));
    }
}
