//! Nodes: entering the inventory, being found at new addresses, taking orders, leaving for good.

use quorate_model::{
    Generation, NodeAction, NodeId, NodeName, NodeOrder, OrderKind, OrderOutcome, OrderReport,
    Refusal, codes,
};

use super::{Context, components, not_found};
use crate::{Applied, NewNode, Node, Outcome, State, Tombstone};

/// Adds a node under an id that was never used before.
pub(super) fn insert(state: &mut State, id: NodeId, node: &NewNode, context: &Context<'_>) {
    state.metadata.last_node_id = state.metadata.last_node_id.max(id);
    let new = Node::new(node, context.proposal.at, context.revision());
    state.metadata.nodes.insert(id, new);
    if node.roles.master {
        state.metadata.masters_revision = context.revision();
    }
}

pub(super) fn update(
    state: &mut State,
    context: &Context<'_>,
    id: NodeId,
    new: &NewNode,
) -> Outcome {
    let Some(node) = state.metadata.nodes.get_mut(&id) else {
        return Err(not_found(format!("node {id}")));
    };
    node.address.clone_from(&new.address);
    node.internal_addr.clone_from(&new.internal_addr);
    node.admin_addr.clone_from(&new.admin_addr);
    node.version.clone_from(&new.version);
    // What was obeyed stays so: an announcement that was held up on the way takes nothing back.
    node.obeyed = node.obeyed.max(new.obeyed);
    node.reads_level = new.reads_level;
    node.started_at = Some(context.proposal.at);
    if let Some(report) = &new.order_report {
        take_report(node, report);
    }
    Ok(Applied::Done)
}

pub(super) fn report_order(state: &mut State, id: NodeId, report: &OrderReport) -> Outcome {
    let Some(node) = state.metadata.nodes.get_mut(&id) else {
        return Err(not_found(format!("node {id}")));
    };
    take_report(node, report);
    Ok(Applied::Done)
}

/// Only what is news: a report that was held up on the way takes nothing back.
fn take_report(node: &mut Node, report: &OrderReport) {
    if !report.is_news_after(node.order_report.as_ref()) {
        return;
    }
    if matches!(report.outcome, OrderOutcome::Done { .. }) {
        node.obeyed = node.obeyed.max(report.generation);
    }
    node.order_report = Some(report.clone());
}

pub(super) fn record_binary(
    state: &mut State,
    id: NodeId,
    version: &str,
    reads_level: u32,
) -> Outcome {
    let Some(node) = state.metadata.nodes.get_mut(&id) else {
        return Err(not_found(format!("node {id}")));
    };
    version.clone_into(&mut node.version);
    node.reads_level = reads_level;
    Ok(Applied::Done)
}

/// Does to a node what a step says, and says which generation it was ordered under, if any.
pub(super) fn act(
    state: &mut State,
    context: &Context<'_>,
    id: NodeId,
    action: &NodeAction,
) -> Result<Option<Generation>, Refusal> {
    match action {
        NodeAction::Order { order } => give_order(state, id, order).map(Some),
        NodeAction::Remove => remove(state, context, id).map(|()| None),
        NodeAction::Rename { name } => rename(state, context, id, name).map(|()| None),
    }
}

fn give_order(state: &mut State, id: NodeId, kind: &OrderKind) -> Result<Generation, Refusal> {
    let Some(node) = state.metadata.nodes.get(&id) else {
        return Err(not_found(format!("node {id}")));
    };
    let kind = over_purge(node, kind)?;
    let generation = components::next_generation(state);
    if let Some(node) = state.metadata.nodes.get_mut(&id) {
        node.order = Some(NodeOrder { generation, kind });
    }
    Ok(generation)
}

/// What a node is ordered to do. Only the newest order counts, so that one which a master has not
/// obeyed yet is forgotten; but what a reset wants off its disk must not stay there for that.
fn over_purge(node: &Node, kind: &OrderKind) -> Result<OrderKind, Refusal> {
    let waits = |order: &NodeOrder| {
        order.kind == OrderKind::Purge && order.generation > node.obeyed && node.roles.master
    };
    if !node.order.as_ref().is_some_and(waits) {
        return Ok(kind.clone());
    }
    match kind {
        // A purge is a restart.
        OrderKind::Restart | OrderKind::Purge => Ok(OrderKind::Purge),
        OrderKind::Stage { .. } | OrderKind::Upgrade { .. } => Err(Refusal::new(
            codes::OPERATION_STATUS,
            format!("`{}` cannot be upgraded yet", node.name),
        )
        .cause("since a reset it has to remove from its disk what is older, and has not done so")
        .hint(format!(
            "it does when it comes back; else abort this operation, and: quorate node restart {}",
            node.name
        ))),
    }
}

/// Puts a tombstone in the place of a node. One that is there already is left as it is.
fn remove(state: &mut State, context: &Context<'_>, id: NodeId) -> Result<(), Refusal> {
    let metadata = &state.metadata;
    let Some(node) = metadata.nodes.get(&id) else {
        if metadata.tombstones.contains_key(&id) {
            return Ok(());
        }
        return Err(not_found(format!("node {id}")));
    };
    let carried = metadata.instances_on(id);
    if let Some(instance) = carried.first() {
        return Err(Refusal::new(codes::IN_USE, format!("node `{}` cannot be removed", node.name))
            .cause(format!("it carries the instance `{instance}`"))
            .hint("remove their components first: quorate component remove NAME"));
    }
    let masters = metadata.nodes.values().filter(|node| node.roles.master).count();
    if node.roles.master && masters <= 1 {
        return Err(Refusal::new(
            codes::QUORUM_WOULD_BE_LOST,
            format!("`{}` cannot be removed: it is the last master", node.name),
        ));
    }
    let (name, is_master) = (node.name.clone(), node.roles.master);
    state.metadata.nodes.remove(&id);
    state.metadata.tombstones.insert(id, Tombstone { name, removed_at: context.proposal.at });
    if is_master {
        state.metadata.masters_revision = context.revision();
    }
    Ok(())
}

fn rename(
    state: &mut State,
    context: &Context<'_>,
    id: NodeId,
    name: &NodeName,
) -> Result<(), Refusal> {
    if let Some((taken_by, _)) = state.metadata.node_named(name) {
        if taken_by == id {
            return Ok(());
        }
        return Err(Refusal::new(
            codes::NAME_TAKEN,
            format!("the name `{name}` belongs to node {taken_by}"),
        ));
    }
    let Some(node) = state.metadata.nodes.get_mut(&id) else {
        return Err(not_found(format!("node {id}")));
    };
    node.name = name.clone();
    node.revision = context.revision();
    let is_master = node.roles.master;
    if is_master {
        state.metadata.masters_revision = context.revision();
    }
    Ok(())
}
