//! Learning that this node's epoch has ended, and standing for no election before it was asked.
//!
//! After a recovery from lost quorum, masters that were written off may come back, and they may
//! be a majority of the old voters. Nothing in Raft keeps them from electing a leader among
//! themselves. So a node asks every member it knows for its epoch before its first election, and
//! heeds the epoch in every refusal that it ever gets: one word of one survivor stops it.

use std::time::Duration;

use quorate_model::{Epoch, NodeId};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::Shared;
use crate::{network::Lane, proto::raft as wire};

/// How long this node waits, before it may stand for election, for peers that do not answer. Those
/// that run answer within milliseconds, those whose host is up without them refuse at once.
const ASKING: Duration = Duration::from_secs(3);

/// A newer epoch exists: this node belongs to one that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Superseded {
    /// The newer epoch.
    pub epoch: Epoch,
    /// The master that said so.
    pub by: NodeId,
    /// Whether it said, too, that this node was written off. A master that has only just come
    /// back does not know.
    pub written_off: bool,
}

/// Shared by everything that talks with peers; the first news stays, unless a later one knows that
/// this node was written off.
#[derive(Debug, Clone)]
pub(crate) struct EpochEnd(watch::Sender<Option<Superseded>>);

impl EpochEnd {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Superseded>> {
        self.0.subscribe()
    }

    pub(crate) fn report(&self, news: Superseded) {
        self.0.send_if_modified(|known| {
            let is_news = known.is_none_or(|known| news.written_off && !known.written_off);
            if is_news {
                tracing::error!(epoch = %news.epoch, by = %news.by, "this node's epoch has ended");
                *known = Some(news);
            }
            is_news
        });
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.borrow().is_some()
    }
}

/// Lets this node stand for election once nobody it reaches knows of a newer epoch.
pub(super) async fn elect_when_asked(shared: Shared) {
    let peers: Vec<(NodeId, String)> = {
        let metrics = shared.metrics();
        let membership = metrics.membership_config.membership();
        let this = shared.options.node.0;
        membership
            .nodes()
            .filter(|(id, _)| **id != this)
            .map(|(id, node)| (NodeId(*id), node.addr.clone()))
            .collect()
    };
    let mut asking = JoinSet::new();
    for (peer, addr) in peers {
        let shared = shared.clone();
        asking.spawn(async move { shared.ask_epoch(peer, &addr).await });
    }
    // A peer that is silent for so long is asked again by every call that Raft makes to it.
    let asked = timeout(ASKING, async { while asking.join_next().await.is_some() {} }).await;
    if asked.is_err() {
        tracing::debug!("not every peer has said which epoch it is in");
    }
    if !shared.ended.has_ended() {
        shared.raft.runtime_config().elect(true);
    }
}

impl Shared {
    /// What the peer answers is heeded; that it answers nothing means nothing.
    async fn ask_epoch(&self, peer: NodeId, addr: &str) {
        let Ok(mut client) = self.peers.client(peer, addr, Lane::Request).await else { return };
        let request = wire::EpochRequest { header: Some(self.peers.header(peer)) };
        if let Err(status) = client.epoch(request).await {
            self.peers.heed(peer, &status);
            self.peers.forget(peer, Lane::Request);
        }
    }
}
