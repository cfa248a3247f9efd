//! Tells the cluster where this master is.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use futures_util::future::join_all;
use quorate_api::internal::{AnnounceRequest, nodes_client::NodesClient};
use quorate_control::{Control, use_cases::nodes};
use quorate_model::{Generation, NodeId, NodeRoles, Refusal, codes};
use quorate_node_manager::{KnownMasters, OrdersTold};
use quorate_state::NewNode;
use tracing::{debug, info, warn};

use super::{NodeConfig, REOPEN_EVERY, dial};
use crate::node::binary;

/// How often other masters are told while this one is not ready.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// How long another master may take to pass it on.
const TELL_DEADLINE: Duration = Duration::from_secs(3);

/// This master as the others shall know it.
pub(super) fn new_node(config: &NodeConfig, told: &OrdersTold) -> Result<NewNode, Refusal> {
    Ok(NewNode {
        name: config.node.name.clone(),
        roles: NodeRoles { master: true, node_manager: config.node.role.is_node_manager() },
        address: config.node.advertise.clone(),
        internal_addr: config.advertised_internal()?,
        admin_addr: config.advertised_admin()?,
        version: binary::version().to_owned(),
        obeyed: told.obeyed,
        order_report: told.report.clone(),
        reads_level: binary::reads_level(),
    })
}

/// Tells the cluster where this master is: itself once it is ready, before that every other master
/// that can be reached, since a leader that does not find this one cannot make it ready. `book` is
/// the folder in which a join left where the masters are.
pub(super) async fn announce(
    control: Control,
    dialer: dial::NodeDialer,
    book: PathBuf,
    node: NewNode,
) {
    let first = KnownMasters::load(&book).unwrap_or_default().masters;
    // That it has obeyed its order means that it is ready again, and so is not said before.
    let on_its_way = NewNode { obeyed: Generation(0), ..node.clone() };
    let is_recorded = tokio::select! {
        () = control.readiness().opened() => false,
        () = tell_others(&control, &dialer, &first, &on_its_way) => {
            control.readiness().opened().await;
            nodes::is_announced(&control, &node)
        }
    };
    if !is_recorded {
        while let Err(refusal) = nodes::announce(&control, control.node(), node.clone()).await {
            warn!(code = %refusal.code, "cannot announce this master: {refusal}");
            tokio::time::sleep(REOPEN_EVERY).await;
        }
    }
    // From now on the state says where the masters are. A node manager keeps the list by itself.
    if !node.roles.node_manager
        && let Err(error) = KnownMasters::forget(&book)
    {
        warn!(%error, "the list of masters of the join is left behind");
    }
}

/// Returns once it is recorded. All others are told meanwhile: one that does not find this master
/// may be the only one that can lead. `first` are those to tell while this master has no state: it
/// joined a moment ago.
async fn tell_others(
    control: &Control,
    dialer: &dial::NodeDialer,
    first: &BTreeMap<NodeId, String>,
    node: &NewNode,
) {
    loop {
        let mut others = nodes::other_masters(control);
        if others.is_empty() {
            others = first.iter().map(|(other, addr)| (*other, addr.clone())).collect();
            others.retain(|(other, _)| *other != control.node());
        }
        let telling =
            others.iter().map(|(other, addr)| tell(dialer, *other, addr, node, Record::Nothing));
        let recording = async {
            for (other, addr) in &others {
                if tell(dialer, *other, addr, node, Record::ForAll).await {
                    info!(through = %other, "announced where this master is");
                    return true;
                }
            }
            false
        };
        let (_, is_recorded) = tokio::join!(join_all(telling), recording);
        if is_recorded {
            return;
        }
        tokio::time::sleep(TELL_EVERY).await;
    }
}

/// What the one who is told shall do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Record {
    /// Find this master from now on.
    Nothing,
    /// Have it recorded for all, too.
    ForAll,
}

/// Returns whether it was heard.
async fn tell(
    dialer: &dial::NodeDialer,
    other: NodeId,
    addr: &str,
    node: &NewNode,
    record: Record,
) -> bool {
    let told = call(dialer, other, addr, node, record);
    match tokio::time::timeout(TELL_DEADLINE, told).await {
        Ok(Ok(())) => return true,
        Ok(Err(refusal)) => debug!(%other, %addr, "not announced: {refusal}"),
        Err(_) => debug!(%other, %addr, "not announced in time"),
    }
    false
}

async fn call(
    dialer: &dial::NodeDialer,
    other: NodeId,
    addr: &str,
    node: &NewNode,
    record: Record,
) -> Result<(), Refusal> {
    let unreachable = |cause: String| {
        Refusal::new(codes::MASTER_UNREACHABLE, format!("{other} does not answer")).cause(cause)
    };
    let channel = dialer.connect(other, addr).await.map_err(unreachable)?;
    let node_json = serde_json::to_string(node)
        .map_err(|error| Refusal::new(codes::INTERNAL, error.to_string()))?;
    let request = AnnounceRequest { node_json, record: record == Record::ForAll };
    let answer = NodesClient::new(channel).announce(request).await;
    answer.map(drop).map_err(|status| dial::refusal_of(&status))
}
