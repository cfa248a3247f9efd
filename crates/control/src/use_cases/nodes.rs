//! Masters and node managers.

use quorate_api::rest::{
    MasterView, NodeManagerView, OperationView, PlanView, RemoveNodeBody, ReplaceNodeBody,
    RestartNodesBody, UpgradeNodesBody,
};
use quorate_model::{
    Binary, NamedNode, NodeId, OperationRequest, OrderReport, Refusal, RequestId, codes,
};
use quorate_state::{Command, NewNode};

use super::{components::find_node, enrolment::check_address, operations};
use crate::{Control, Permission, Principal, views};

/// The masters, as this master sees them; the leader sees most.
///
/// # Errors
/// When the principal may not see them.
pub fn masters(control: &Control, principal: &Principal) -> Result<Vec<MasterView>, Refusal> {
    principal.require(Permission::Read)?;
    Ok(views::masters(control))
}

/// The node managers, as the leader sees them.
///
/// # Errors
/// When the principal may not see them.
pub fn node_managers(
    control: &Control,
    principal: &Principal,
) -> Result<Vec<NodeManagerView>, Refusal> {
    principal.require(Permission::Read)?;
    Ok(control.with_facts(|facts| views::node_managers(control, facts)))
}

/// Records where a master is reached now, which binary it runs, and that it was started anew. The
/// master calls for itself, or another one passes it on: `id` is known by the certificate.
///
/// # Errors
/// When there is no leader, or no such node.
pub async fn announce(control: &Control, id: NodeId, node: NewNode) -> Result<(), Refusal> {
    let command = Command::UpdateNode { id, node };
    control.propose_as(format!("node:{id}"), command).await.map(|_| ())
}

/// Records what became of an order to a master's process, by its own word.
///
/// # Errors
/// When there is no leader, or no such node.
pub async fn report_order(
    control: &Control,
    id: NodeId,
    report: OrderReport,
) -> Result<(), Refusal> {
    let command = Command::ReportOrder { id, report };
    control.propose_as(format!("node:{id}"), command).await.map(|_| ())
}

/// Another master says where it is reached now: this one finds it there at once, whether or not
/// there is a leader to record it. Without finding each other they might not elect one.
///
/// # Errors
/// When that is no address.
pub fn told(control: &Control, id: NodeId, node: &NewNode) -> Result<(), Refusal> {
    check_address("internal", &node.internal_addr)?;
    control.raft().told_address(id, &node.internal_addr);
    Ok(())
}

/// Whether everything that this master would say of itself is recorded.
#[must_use]
pub fn is_announced(control: &Control, node: &NewNode) -> bool {
    control.state().metadata.nodes.get(&control.node()).is_some_and(|known| {
        known.address == node.address
            && known.internal_addr == node.internal_addr
            && known.admin_addr == node.admin_addr
            && known.version == node.version
            && known.obeyed >= node.obeyed
    })
}

/// The other masters as this one knows them, from its state and its Raft membership: whom to tell
/// its address before it is found.
#[must_use]
pub fn other_masters(control: &Control) -> Vec<(NodeId, String)> {
    let status = control.raft().status();
    let state = control.state();
    let decided = state.metadata.nodes.iter().filter(|(_, node)| node.roles.master);
    let mut known: Vec<(NodeId, String)> =
        decided.map(|(id, node)| (*id, node.internal_addr.clone())).collect();
    known.extend(status.voters);
    known.sort();
    known.dedup();
    known.retain(|(id, addr)| *id != control.node() && !addr.is_empty());
    known
}

/// What is done to nodes by an operation.
#[derive(Debug, Clone)]
pub enum NodeOperation {
    /// Restart their processes one by one.
    Restart(RestartNodesBody),
    /// Replace the binary they run, one by one.
    Upgrade(UpgradeNodesBody, Binary),
    /// Take this one out for good.
    Remove(String, RemoveNodeBody),
    /// Put a master in the place of this one.
    Replace(String, ReplaceNodeBody),
}

/// Plans it and changes nothing.
///
/// # Errors
/// Every reason why not.
pub async fn plan(
    control: &Control,
    principal: &Principal,
    operation: &NodeOperation,
) -> Result<PlanView, Vec<Refusal>> {
    operations::plan(control, principal, &request(control, principal, operation)?).await
}

/// Does it by an operation.
///
/// # Errors
/// Every reason why not.
pub async fn submit(
    control: &Control,
    principal: &Principal,
    operation: &NodeOperation,
    request_id: Option<RequestId>,
) -> Result<OperationView, Vec<Refusal>> {
    // Who and what belongs to the cluster is for administrators; a restart changes nothing of that.
    let needed = match operation {
        NodeOperation::Restart(_) => Permission::Operate,
        NodeOperation::Upgrade(..) | NodeOperation::Remove(..) | NodeOperation::Replace(..) => {
            Permission::Administer
        }
    };
    principal.require(needed).map_err(|refusal| vec![refusal])?;
    let request = request(control, principal, operation)?;
    operations::submit(control, principal, request, request_id).await
}

fn request(
    control: &Control,
    principal: &Principal,
    operation: &NodeOperation,
) -> Result<OperationRequest, Vec<Refusal>> {
    Ok(match operation {
        NodeOperation::Restart(body) => OperationRequest::NodeRestart {
            nodes: chosen(control, principal, &body.nodes, body.masters, body.all)?,
            accept_interruption: body.accept_interruption,
        },
        NodeOperation::Upgrade(body, binary) => {
            // A binary runs with all that a node may do.
            principal.require(Permission::Administer).map_err(|refusal| vec![refusal])?;
            OperationRequest::NodeUpgrade {
                nodes: chosen(control, principal, &body.nodes, body.masters, body.all)?,
                binary: binary.clone(),
                ready_within_ms: body.ready_within_ms,
                accept_interruption: body.accept_interruption,
            }
        }
        NodeOperation::Remove(node, body) => OperationRequest::NodeRemove {
            node: named(control, principal, node)?,
            allow_even: body.allow_even.clone(),
        },
        NodeOperation::Replace(old, body) => OperationRequest::NodeReplace {
            old: named(control, principal, old)?,
            new: named(control, principal, &body.with)?,
            take_name: body.take_name,
        },
    })
}

/// The nodes that a request is about, each once: those named first, then the others by id.
fn chosen(
    control: &Control,
    principal: &Principal,
    wanted: &[String],
    masters: bool,
    all: bool,
) -> Result<Vec<NamedNode>, Vec<Refusal>> {
    principal.require(Permission::Read).map_err(|refusal| vec![refusal])?;
    let (mut nodes, mut refusals) = (Vec::new(), Vec::new());
    for name in wanted {
        match named(control, principal, name) {
            Ok(node) if nodes.contains(&node) => {}
            Ok(node) => nodes.push(node),
            Err(unknown) => refusals.extend(unknown),
        }
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    for (id, node) in &control.state().metadata.nodes {
        let node_is_meant = all || (masters && node.roles.master);
        if node_is_meant && nodes.iter().all(|known| known.id != *id) {
            nodes.push(NamedNode { id: *id, name: node.name.clone() });
        }
    }
    Ok(nodes)
}

/// The node of that name or id. A removed one is found as well, so that a repeated request to
/// remove it is recognised; the planner refuses it otherwise.
pub(super) fn named(
    control: &Control,
    principal: &Principal,
    text: &str,
) -> Result<NamedNode, Vec<Refusal>> {
    principal.require(Permission::Read).map_err(|refusal| vec![refusal])?;
    let state = control.state();
    let metadata = &state.metadata;
    let living = find_node(&state, text)
        .and_then(|id| Some(NamedNode { id, name: metadata.nodes.get(&id)?.name.clone() }));
    let removed = || {
        let mut newest_first = metadata.tombstones.iter().rev();
        let (id, tombstone) = newest_first
            .find(|(id, tombstone)| tombstone.name.as_str() == text || id.to_string() == text)?;
        Some(NamedNode { id: *id, name: tombstone.name.clone() })
    };
    living.or_else(removed).ok_or_else(|| {
        vec![
            Refusal::new(codes::NOT_FOUND, format!("there is no node `{text}`"))
                .hint("list them with: quorate node list"),
        ]
    })
}
