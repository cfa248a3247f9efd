//! Whether this master still belongs to its cluster.
//!
//! A master that is removed while it runs reads so in the log. One that was away is sent nothing
//! any more, so it asks: while it is not ready, every other master it knows, each of which knows
//! callers by their certificates and answers a removed one with the reason.

use std::time::Duration;

use quorate_api::internal::{CallRequest, leader_client::LeaderClient};
use quorate_control::Control;
use quorate_model::{NodeId, Refusal, codes};
use tracing::error;

use super::dial::{NodeDialer, refusal_of};

/// How often a master that is not ready asks.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How long one of the others may take.
const ASK_DEADLINE: Duration = Duration::from_secs(1);

/// Returns when this master was removed, with the reason; never otherwise.
pub(super) async fn removed(control: Control, dialer: NodeDialer) -> Refusal {
    let refusal = tokio::select! {
        refusal = read_so(&control) => refusal,
        refusal = told_so(&control, &dialer) => refusal,
    };
    error!(code = %refusal.code, "{refusal}");
    refusal
}

/// It is in the log.
async fn read_so(control: &Control) -> Refusal {
    let (this, mut states) = (control.node(), control.state_watch());
    let found = states.wait_for(|state| state.metadata.tombstones.contains_key(&this)).await;
    let tombstone = found.ok().and_then(|state| state.metadata.tombstones.get(&this).cloned());
    match tombstone {
        Some(tombstone) => tombstone.refusal(this),
        // Raft has ended, and with it this round.
        None => std::future::pending().await,
    }
}

/// Another master says so.
async fn told_so(control: &Control, dialer: &NodeDialer) -> Refusal {
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        if control.readiness().live().unmet.is_empty() {
            continue;
        }
        let others: Vec<(NodeId, String)> = control.leader_hint().masters;
        for (node, addr) in others.iter().filter(|(node, _)| *node != control.node()) {
            let asked = tokio::time::timeout(ASK_DEADLINE, ask(dialer, *node, addr)).await;
            if let Ok(Some(refusal)) = asked {
                return refusal;
            }
        }
    }
}

/// Makes a call that any master may make, and heeds a refusal that says why it may not.
async fn ask(dialer: &NodeDialer, node: NodeId, addr: &str) -> Option<Refusal> {
    let channel = dialer.connect(node, addr).await.ok()?;
    let request = CallRequest {
        method: "GET".to_owned(),
        uri: "/healthz".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        local: false,
    };
    let status = LeaderClient::new(channel).call(request).await.err()?;
    Some(refusal_of(&status)).filter(|refusal| refusal.code == codes::NODE_REMOVED)
}
