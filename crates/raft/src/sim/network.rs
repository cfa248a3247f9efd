//! The simulated network: every message takes its time, and some never arrive.

use std::{future::Future, time::Duration};

use openraft::{
    BasicNode, RaftNetworkFactory, RaftNetworkV2,
    errors::{RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::RPCOption,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
    type_config::TypeConfigExt,
};
use prost::bytes::Bytes;

use super::{SimConfig as C, SimRaft, world::World};
use crate::{
    network::epoch::OtherEpoch,
    types::{Snapshot, Vote},
};

/// One way, in microseconds.
const DELAY_US: (u64, u64) = (200, 5_000);
/// After so long a question that got no answer is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(200);

pub(super) struct Network {
    pub(super) world: World,
    pub(super) this: u64,
}

impl RaftNetworkFactory<C> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: u64, _node: &BasicNode) -> Client {
        Client { world: self.world.clone(), this: self.this, target }
    }
}

pub(super) struct Client {
    pub(super) world: World,
    pub(super) this: u64,
    pub(super) target: u64,
}

fn unreachable(why: &str) -> RPCError<C> {
    RPCError::Unreachable(Unreachable::from_string(why))
}

impl Client {
    /// Carries a message there and its answer back, unless one of them is lost or a side is down.
    async fn exchange<T, E: std::fmt::Display, F>(
        &self,
        what: &str,
        option: RPCOption,
        call: impl FnOnce(SimRaft) -> F,
    ) -> Result<T, RPCError<C>>
    where
        F: Future<Output = Result<T, E>>,
    {
        // What the header of the call says.
        let epoch =
            self.world.epoch_of(self.this).ok_or_else(|| unreachable("this master is stopped"))?;
        self.one_way(what, self.this, self.target, &option).await?;
        let target = self.world.node(self.target).ok_or_else(|| unreachable("it is down"))?;
        let theirs = self.world.epoch_of(self.target);
        if let Some(other) = self.world.judge(self.target, self.this, epoch) {
            if let (OtherEpoch::Ours { believed: true }, Some(theirs)) = (other, theirs) {
                self.world.end(self.target, theirs);
            }
            self.one_way(what, self.target, self.this, &option).await?;
            if let OtherEpoch::Theirs { .. } = other {
                self.world.end(self.this, epoch);
            }
            return Err(unreachable("one of us is in an epoch that has ended"));
        }
        let answer = call(target).await.map_err(|error| unreachable(&error.to_string()))?;
        self.one_way(what, self.target, self.this, &option).await?;
        Ok(answer)
    }

    /// Asks which epoch the other is in, and heeds what it says; asks again as long as words are
    /// lost, which a connection does by itself. Nobody is there: that is an answer, too.
    pub(super) async fn ask_epoch(self) {
        while self.world.node(self.this).is_some() && self.world.node(self.target).is_some() {
            let option = RPCOption::new(ASK_AGAIN);
            let asked = self.exchange("epoch", option, |_| async { Ok::<(), String>(()) }).await;
            if asked.is_ok() {
                return;
            }
        }
    }

    async fn one_way(
        &self,
        what: &str,
        from: u64,
        to: u64,
        option: &RPCOption,
    ) -> Result<(), RPCError<C>> {
        let lost = self.world.is_lost(from, to);
        let delay = self.world.delay(DELAY_US.0, DELAY_US.1);
        let end = if lost { "lost" } else { "sent" };
        self.world.note(format_args!("{what} n{from}->n{to} {end}"));
        if lost {
            // The caller waits in vain for as long as it ever waits.
            C::sleep(option.hard_ttl()).await;
            return Err(unreachable("the message was lost"));
        }
        C::sleep(delay).await;
        Ok(())
    }
}

impl RaftNetworkV2<C> for Client {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<C>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<C>, RPCError<C>> {
        self.world.note_leader(rpc.vote.leader_id.term, rpc.vote.leader_id.voted_for);
        let what = format!("append {}", rpc.entries.len());
        self.exchange(&what, option, |raft| async move { raft.append_entries(rpc).await }).await
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<C>,
        option: RPCOption,
    ) -> Result<VoteResponse<C>, RPCError<C>> {
        let what = format!("vote {}", rpc.vote.leader_id.term);
        self.exchange(&what, option, |raft| async move { raft.vote(rpc).await }).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<C>,
        option: RPCOption,
    ) -> Result<VoteResponse<C>, RPCError<C>> {
        let what = format!("pre-vote {}", rpc.vote.leader_id.term);
        self.exchange(&what, option, |raft| async move { raft.pre_vote(rpc).await }).await
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<C>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<C>, RPCError<C>> {
        self.exchange(
            "transfer",
            option,
            |raft| async move { raft.handle_transfer_leader(rpc).await },
        )
        .await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        _cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<C>, StreamingError<C>> {
        // A lost snapshot would stall for minutes of simulated time; a second tells as much.
        let option = RPCOption::new(Duration::from_secs(1));
        self.exchange("snapshot", option, |raft| async move {
            raft.install_full_snapshot(vote, snapshot).await
        })
        .await
        .map_err(StreamingError::from)
    }
}
