//! Raft's calls to one other master. Every call has a deadline of its own, since openraft sets
//! none.

use std::{future::Future, pin::pin, time::Duration};

use openraft::{
    BasicNode, RaftNetworkFactory, RaftNetworkV2,
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable},
    network::{RPCOption, RPCTypes},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use prost::bytes::Bytes;
use quorate_model::{NodeId, TroubleKind};
use tonic::transport::Channel;

use super::{
    convert,
    peers::{Lane, Peers},
};
use crate::{
    ondisk::{RecordError, snapshot_meta_to, vote_to},
    proto::raft::{self as wire, masters_client::MastersClient, snapshot_chunk::Part},
    types::{Snapshot, TokioConfig as C, Vote},
};

/// The engine gives an append no longer than the time between two heartbeats. An answer that is
/// later is worth having: without it the same entries would be sent again and again.
const APPEND_LEAST: Duration = Duration::from_millis(150);
/// How much of a snapshot travels in one message.
const CHUNK_BYTES: usize = 256 * 1024;

/// Makes the clients that openraft asks for.
pub(crate) struct Network {
    peers: Peers,
    this: NodeId,
}

impl Network {
    pub(crate) const fn new(peers: Peers, this: NodeId) -> Self {
        Self { peers, this }
    }

    fn client(&self, target: u64, node: &BasicNode, lane: Lane) -> Client {
        Client {
            peers: self.peers.clone(),
            this: self.this,
            target: NodeId(target),
            addr: node.addr.clone(),
            lane,
        }
    }
}

impl RaftNetworkFactory<C> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Client {
        self.client(target, node, Lane::Log)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &BasicNode) -> Client {
        self.client(target, node, Lane::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &BasicNode) -> Client {
        self.client(target, node, Lane::Snapshot)
    }
}

pub(crate) struct Client {
    peers: Peers,
    this: NodeId,
    target: NodeId,
    addr: String,
    lane: Lane,
}

impl Client {
    fn header(&self) -> wire::Header {
        self.peers.header(self.target)
    }

    /// Connects where needed, calls, and translates what goes wrong.
    async fn call<T, F>(
        &self,
        action: RPCTypes,
        ttl: Duration,
        call: impl FnOnce(MastersClient<Channel>) -> F,
    ) -> Result<T, RPCError<C>>
    where
        F: Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    {
        let called = tokio::time::timeout(ttl, async {
            let client =
                self.peers.client(self.target, &self.addr, self.lane).await.map_err(|error| {
                    (error.to_string(), RPCError::Unreachable(Unreachable::new(&error)))
                })?;
            let answer = call(client)
                .await
                .map(tonic::Response::into_inner)
                .map_err(|status| (in_words(&status), self.failed(&status)))?;
            self.peers.answered(self.target, self.lane);
            Ok(answer)
        });
        let result = called.await.unwrap_or_else(|_| {
            self.peers.unanswered(self.target, self.lane);
            let words = format!("{} was not answered within {} ms", name(action), ttl.as_millis());
            let (id, target) = (self.this.0, self.target.0);
            Err((words, RPCError::Timeout(Timeout { action, id, target, timeout: ttl })))
        });
        result.map_err(|(words, error)| {
            self.peers.troubles.note(TroubleKind::Replication, Some(self.target), words);
            error
        })
    }

    /// A vote, or whether one would be given: the same question to two calls.
    async fn ask_for_vote<F>(
        &self,
        rpc: &VoteRequest<C>,
        option: &RPCOption,
        ask: impl FnOnce(MastersClient<Channel>, wire::VoteRequest) -> F,
    ) -> Result<VoteResponse<C>, RPCError<C>>
    where
        F: Future<Output = Result<tonic::Response<wire::VoteResponse>, tonic::Status>>,
    {
        let request = convert::vote_request_to(rpc, self.header());
        let response =
            self.call(RPCTypes::Vote, option.hard_ttl(), |client| ask(client, request)).await?;
        convert::vote_response_from(&response).map_err(|error| unreadable(&error))
    }

    fn failed(&self, status: &tonic::Status) -> RPCError<C> {
        use tonic::Code;
        match status.code() {
            // The other side answered, and would answer the same at once on this connection.
            Code::PermissionDenied | Code::Unauthenticated | Code::FailedPrecondition => {
                self.peers.heed(self.target, status);
                tracing::warn!(to = %self.target, "a master refused this node: {}", status.message());
                self.peers.forget(self.target, self.lane);
                RPCError::Unreachable(Unreachable::new(status))
            }
            Code::Unavailable | Code::Unknown | Code::Cancelled => {
                self.peers.forget(self.target, self.lane);
                RPCError::Unreachable(Unreachable::new(status))
            }
            _ => RPCError::Network(NetworkError::new(status)),
        }
    }
}

/// A call as people name it.
const fn name(action: RPCTypes) -> &'static str {
    match action {
        RPCTypes::Vote => "a request for a vote",
        RPCTypes::AppendEntries => "an append to the log",
        RPCTypes::InstallSnapshot => "a snapshot",
        RPCTypes::TransferLeader => "a hand-over of leadership",
    }
}

/// What the other side said, or what became of the connection. The engine's own errors name types
/// of the program, which help nobody who reads them in a finding.
fn in_words(status: &tonic::Status) -> String {
    match status.message() {
        "" => status.code().description().to_lowercase(),
        words => words.to_owned(),
    }
}

fn unreadable(error: &RecordError) -> RPCError<C> {
    RPCError::Network(NetworkError::new(&std::io::Error::other(error.to_string())))
}

impl RaftNetworkV2<C> for Client {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<C>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<C>, RPCError<C>> {
        let request = convert::append_to(&rpc, self.header());
        let response = self
            .call(
                RPCTypes::AppendEntries,
                option.hard_ttl().max(APPEND_LEAST),
                |mut client| async move { client.append(request).await },
            )
            .await?;
        convert::append_response_from(response).map_err(|error| unreadable(&error))
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<C>,
        option: RPCOption,
    ) -> Result<VoteResponse<C>, RPCError<C>> {
        self.ask_for_vote(
            &rpc,
            &option,
            |mut client, request| async move { client.vote(request).await },
        )
        .await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<C>,
        option: RPCOption,
    ) -> Result<VoteResponse<C>, RPCError<C>> {
        self.ask_for_vote(&rpc, &option, |mut client, request| async move {
            client.pre_vote(request).await
        })
        .await
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<C>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<C>, RPCError<C>> {
        let request = convert::transfer_to(&rpc, self.header());
        let response = self
            .call(RPCTypes::TransferLeader, option.hard_ttl(), |mut client| async move {
                client.transfer_leader(request).await
            })
            .await?;
        convert::transfer_response_from(response).map_err(|error| unreadable(&error))
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<C>, StreamingError<C>> {
        let chunks = chunks(self.header(), &vote, &snapshot);
        let sent =
            self.call(RPCTypes::InstallSnapshot, option.hard_ttl(), |mut client| async move {
                client.install_snapshot(tokio_stream::iter(chunks)).await
            });
        let (sent, cancel) = (pin!(sent), pin!(cancel));
        let response = match futures_util::future::select(sent, cancel).await {
            futures_util::future::Either::Left((sent, _)) => sent.map_err(StreamingError::from)?,
            futures_util::future::Either::Right((closed, _)) => return Err(closed.into()),
        };
        let vote = convert::required_vote(response.vote.as_ref())
            .map_err(|error| StreamingError::from(unreadable(&error)))?;
        Ok(SnapshotResponse::new(vote))
    }
}

/// The parts share the snapshot's memory.
fn chunks(
    header: wire::Header,
    vote: &Vote,
    snapshot: &Snapshot,
) -> impl Iterator<Item = wire::SnapshotChunk> + Send + use<> {
    let begin = Part::Begin(wire::SnapshotBegin {
        header: Some(header),
        vote: Some(vote_to(vote)),
        meta: Some(snapshot_meta_to(&snapshot.meta)),
        bytes: snapshot.snapshot.len() as u64,
    });
    let data = snapshot.snapshot.clone();
    let parts = (0..data.len().div_ceil(CHUNK_BYTES)).map(move |part| {
        let start = part * CHUNK_BYTES;
        Part::Data(data.slice(start..data.len().min(start + CHUNK_BYTES)))
    });
    std::iter::once(begin).chain(parts).map(|part| wire::SnapshotChunk { part: Some(part) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_told_without_the_names_of_types() {
        let dial = super::super::DialError {
            node: NodeId(3),
            addr: "10.0.0.3:9901".to_owned(),
            cause: "connection refused".to_owned(),
        };
        let words = [
            in_words(&tonic::Status::unavailable("")),
            in_words(&tonic::Status::unavailable("transport error")),
            dial.to_string(),
            format!("{} was not answered within 150 ms", name(RPCTypes::AppendEntries)),
        ];
        assert_eq!(words[0], "the service is currently unavailable");
        assert!(words.iter().all(|words| !words.contains("::")), "{words:?}");
        assert!(Unreachable::<C>::new(&dial).to_string().contains("::"), "that is why");
    }
}
