//! Takes a binary from a master that holds it, and tries that it runs here.

use std::{collections::BTreeMap, time::Duration};

use quorate_api::internal::{ReadBinaryRequest, nodes_client::NodesClient};
use quorate_model::{Binary, NodeId, Refusal, codes};
use quorate_raft::Dialer;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::store::{Binaries, absent};
use crate::node::dial::refusal_of;

/// How long a master may take to send one part.
const PART_DEADLINE: Duration = Duration::from_secs(20);
/// For how long the masters are asked when none of them has it or answers: the leadership may be
/// changing hands.
const KEEP_ASKING: Duration = Duration::from_secs(20);
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What staging needs to know of the world.
pub(in crate::node) struct Staging<'a> {
    pub(in crate::node) store: &'a Binaries,
    pub(in crate::node) dialer: &'a dyn Dialer,
    /// Masters to ask, with their internal addresses.
    pub(in crate::node) masters: BTreeMap<NodeId, String>,
    /// The cluster's feature level, as far as it is known here.
    pub(in crate::node) level: u32,
}

/// Sees to it that the binary is on this node's disk and runs here. Says what was seen.
pub(in crate::node) async fn stage(
    wanted: &Binary,
    staging: &Staging<'_>,
) -> Result<String, Refusal> {
    if staging.store.get(&wanted.sha256).is_none() {
        fetch(wanted, staging).await?;
    }
    let binary = staging.store.try_out(&wanted.sha256).await?;
    let said = binary.facts;
    if !said.feature_levels.read(staging.level) {
        return Err(Refusal::new(
            codes::BINARY_UNFIT,
            format!("the binary {} cannot read this cluster", said.version),
        )
        .cause(format!(
            "the cluster has feature level {}, the binary reads {}",
            staging.level, said.feature_levels
        )));
    }
    Ok(format!("{} runs here and reads feature levels {}", said.version, said.feature_levels))
}

async fn fetch(wanted: &Binary, staging: &Staging<'_>) -> Result<(), Refusal> {
    let until = Instant::now() + KEEP_ASKING;
    let mut reasons = BTreeMap::new();
    loop {
        for (node, addr) in &staging.masters {
            match fetch_from(wanted, staging, *node, addr).await {
                Ok(()) => {
                    info!(from = %node, sha256 = %wanted.sha256, "fetched a binary");
                    return Ok(());
                }
                // Nothing another master sends will make this one fit.
                Err(refusal) if is_own(&refusal) => return Err(refusal),
                Err(refusal) => {
                    reasons.insert(*node, refusal.to_string());
                }
            }
        }
        if Instant::now() >= until {
            let said: Vec<String> =
                reasons.iter().map(|(node, why)| format!("{node}: {why}")).collect();
            warn!(sha256 = %wanted.sha256, "no master has the binary: {}", said.join("; "));
            return Err(absent(&wanted.sha256).cause(said.join("; ")));
        }
        sleep(ASK_AGAIN).await;
    }
}

/// Whether it is about this host, not about the master that was asked.
const fn is_own(refusal: &Refusal) -> bool {
    matches!(refusal.code, codes::BINARY_UNFIT | codes::DISK_FULL | codes::FILE_ACCESS)
}

async fn fetch_from(
    wanted: &Binary,
    staging: &Staging<'_>,
    node: NodeId,
    addr: &str,
) -> Result<(), Refusal> {
    let unreachable = |cause: String| {
        Refusal::new(codes::MASTER_UNREACHABLE, "it did not send the binary").cause(cause)
    };
    let channel =
        staging.dialer.dial(node, addr).await.map_err(|error| unreachable(error.cause))?;
    let mut client = NodesClient::new(channel);
    let mut offset = staging.store.staged(&wanted.sha256).received;
    loop {
        let request = ReadBinaryRequest { sha256: wanted.sha256.to_string(), offset };
        let part = timeout(PART_DEADLINE, client.read_binary(request))
            .await
            .map_err(|_| unreachable("it did not answer in time".to_owned()))?
            .map_err(|status| refusal_of(&status))?
            .into_inner();
        if part.size != wanted.size || part.bytes.is_empty() {
            return Err(unreachable("it sent something else".to_owned()));
        }
        let staged = staging.store.take(&wanted.sha256, offset, part.size, part.bytes).await?;
        if staged.binary.is_some() {
            return Ok(());
        }
        if staged.received <= offset {
            return Err(unreachable("it sent a part that does not fit".to_owned()));
        }
        offset = staged.received;
    }
}
