//! The service on the internal port: what other masters ask of this one.

use std::{collections::BTreeSet, sync::Arc};

use openraft::{Raft, async_runtime::watch::WatchReceiver, raft::SnapshotResponse};
use prost::bytes::{Bytes, BytesMut};
use quorate_model::{ClusterId, Epoch, NodeId, Refusal, TroubleKind};
use quorate_state::{Outcome, OutcomeCodec, Proposal};
use tonic::{Request, Response, Status, Streaming};

use super::{
    PeerAuthorizer, convert,
    epoch::{OtherEpoch, ended, judge},
};
use crate::{
    Troubles,
    node::{
        local::{Local, NotDone},
        superseded::{EpochEnd, Superseded},
        told::Told,
    },
    ondisk::{RecordError, snapshot_meta_from, vote_to},
    proto::raft::{
        self as wire, forwarded::Result as Forwarded, masters_server::Masters as MastersService,
        snapshot_chunk::Part,
    },
    state_machine::{Published, StateMachine},
    types::{Replicated, Snapshot, TokioConfig as C, Vote},
};

/// No state is this large; a length beyond it is damage.
const SNAPSHOT_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;

/// Answers the other masters' calls.
#[derive(Clone)]
pub struct Masters {
    pub(crate) raft: Raft<C, StateMachine<C>>,
    pub(crate) local: Local,
    pub(crate) published: Published,
    pub(crate) authorizer: Arc<dyn PeerAuthorizer>,
    pub(crate) cluster: ClusterId,
    pub(crate) epoch: Epoch,
    pub(crate) written_off: BTreeSet<NodeId>,
    pub(crate) node: NodeId,
    pub(crate) ended: EpochEnd,
    pub(crate) told: Told,
    pub(crate) troubles: Troubles,
}

impl std::fmt::Debug for Masters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Masters").field("node", &self.node).finish_non_exhaustive()
    }
}

/// How much a caller must be known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Raft's own calls: also from a node that joined after the newest state this node has, or a
    /// lagging follower would refuse its new leader for ever.
    OrNewer,
    /// Requests to the leader, whose state is the newest there is.
    Certainly,
}

impl Masters {
    /// Checks who calls and that the call is meant for this node of this cluster and epoch.
    fn admit<T>(
        &self,
        request: &Request<T>,
        header: Option<&wire::Header>,
        known: Known,
    ) -> Result<NodeId, Status> {
        let caller = self.authorizer.authorize(request.extensions())?;
        self.check_header(caller, header)?;
        if self.is_known(caller, known) {
            Ok(caller)
        } else {
            self.troubles.note(TroubleKind::RefusedNode, Some(caller), "it called as a master");
            Err(Status::permission_denied(format!("{caller} is not a master of this cluster")))
        }
    }

    fn check_header(&self, caller: NodeId, header: Option<&wire::Header>) -> Result<(), Status> {
        let header = header.ok_or_else(|| Status::invalid_argument("the header is missing"))?;
        if header.cluster != self.cluster.to_string() {
            return Err(Status::failed_precondition(format!(
                "this is cluster {}, not {}",
                self.cluster, header.cluster
            )));
        }
        self.check_epoch(caller, Epoch(header.epoch))?;
        if header.to != self.node.0 {
            return Err(Status::failed_precondition(format!(
                "this is {}, not n{}",
                self.node, header.to
            )));
        }
        Ok(())
    }

    /// Tells a caller of an older epoch that it has ended, and takes note of a newer one.
    fn check_epoch(&self, caller: NodeId, epoch: Epoch) -> Result<(), Status> {
        match judge(self.epoch, epoch, || self.is_member(caller), || self.is_dead(caller)) {
            None => Ok(()),
            Some(OtherEpoch::Theirs { written_off }) => Err(ended(self.epoch, epoch, written_off)),
            Some(OtherEpoch::Ours { believed }) => {
                if believed {
                    self.ended.report(Superseded { epoch, by: caller, written_off: false });
                }
                Err(Status::failed_precondition(format!(
                    "{} is in epoch {}, which has ended",
                    self.node, self.epoch
                )))
            }
        }
    }

    /// Removed, or written off in a recovery, which is known even before the state is applied.
    fn is_dead(&self, caller: NodeId) -> bool {
        self.written_off.contains(&caller)
            || self.published.current().metadata.tombstones.contains_key(&caller)
    }

    fn is_member(&self, caller: NodeId) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().get_node(&caller.0).is_some()
    }

    fn is_known(&self, caller: NodeId, known: Known) -> bool {
        if self.is_dead(caller) {
            return false;
        }
        let state = self.published.current();
        let metadata = &state.metadata;
        self.is_member(caller)
            || metadata.nodes.get(&caller).is_some_and(|node| node.roles.master)
            || (known == Known::OrNewer && caller > metadata.last_node_id)
    }

    /// A leader or candidate speaks only for itself.
    fn check_speaker(caller: NodeId, vote: &Vote) -> Result<(), Status> {
        if vote.leader_id.voted_for == caller.0 {
            Ok(())
        } else {
            Err(Status::permission_denied(format!(
                "{caller} speaks for n{}",
                vote.leader_id.voted_for
            )))
        }
    }
}

fn malformed(error: &RecordError) -> Status {
    Status::invalid_argument(error.to_string())
}

fn forwarded(result: Result<Outcome, NotDone>) -> Forwarded {
    match result {
        Ok(outcome) => match OutcomeCodec::encode(&outcome) {
            Ok(bytes) => Forwarded::Outcome(bytes.into()),
            Err(error) => Forwarded::Unknown(error.to_string()),
        },
        Err(NotDone::NotLeader(leader)) => Forwarded::NotLeader(leader.to_wire()),
        Err(NotDone::Unknown(cause)) => Forwarded::Unknown(cause),
        Err(NotDone::Stopped(refusal)) => Forwarded::Unknown(refusal.to_string()),
    }
}

/// Nothing was appended, certainly: the caller connects anew and looks for the next leader. A node
/// that was opened again in the same process answers on new connections only.
fn refused(refusal: &Refusal) -> Status {
    Status::failed_precondition(refusal.to_string())
}

fn stopped(error: &impl std::fmt::Display) -> Status {
    Status::unavailable(format!("this master has stopped: {error}"))
}

#[tonic::async_trait]
impl MastersService for Masters {
    async fn epoch(
        &self,
        request: Request<wire::EpochRequest>,
    ) -> Result<Response<wire::EpochResponse>, Status> {
        self.admit(&request, request.get_ref().header.as_ref(), Known::OrNewer)?;
        Ok(Response::new(wire::EpochResponse { epoch: self.epoch.0 }))
    }

    async fn append(
        &self,
        request: Request<wire::AppendRequest>,
    ) -> Result<Response<wire::AppendResponse>, Status> {
        let caller = self.admit(&request, request.get_ref().header.as_ref(), Known::OrNewer)?;
        let rpc = convert::append_from(request.into_inner()).map_err(|error| malformed(&error))?;
        Self::check_speaker(caller, &rpc.vote)?;
        let response = self.raft.append_entries(rpc).await.map_err(|error| stopped(&error))?;
        Ok(Response::new(convert::append_response_to(&response)))
    }

    async fn vote(
        &self,
        request: Request<wire::VoteRequest>,
    ) -> Result<Response<wire::VoteResponse>, Status> {
        let caller = self.admit(&request, request.get_ref().header.as_ref(), Known::OrNewer)?;
        let rpc =
            convert::vote_request_from(request.get_ref()).map_err(|error| malformed(&error))?;
        Self::check_speaker(caller, &rpc.vote)?;
        let response = self.raft.vote(rpc).await.map_err(|error| stopped(&error))?;
        Ok(Response::new(convert::vote_response_to(&response)))
    }

    async fn pre_vote(
        &self,
        request: Request<wire::VoteRequest>,
    ) -> Result<Response<wire::VoteResponse>, Status> {
        let caller = self.admit(&request, request.get_ref().header.as_ref(), Known::OrNewer)?;
        let rpc =
            convert::vote_request_from(request.get_ref()).map_err(|error| malformed(&error))?;
        Self::check_speaker(caller, &rpc.vote)?;
        let response = self.raft.pre_vote(rpc).await.map_err(|error| stopped(&error))?;
        Ok(Response::new(convert::vote_response_to(&response)))
    }

    async fn transfer_leader(
        &self,
        request: Request<wire::TransferLeaderRequest>,
    ) -> Result<Response<wire::TransferLeaderResponse>, Status> {
        let caller = self.admit(&request, request.get_ref().header.as_ref(), Known::OrNewer)?;
        let rpc = convert::transfer_from(request.get_ref()).map_err(|error| malformed(&error))?;
        Self::check_speaker(caller, rpc.from_leader())?;
        let response =
            self.raft.handle_transfer_leader(rpc).await.map_err(|error| stopped(&error))?;
        Ok(Response::new(convert::transfer_response_to(&response)))
    }

    async fn install_snapshot(
        &self,
        mut request: Request<Streaming<wire::SnapshotChunk>>,
    ) -> Result<Response<wire::SnapshotResponse>, Status> {
        let Some(Part::Begin(begin)) = next_part(request.get_mut()).await? else {
            return Err(Status::invalid_argument("the snapshot does not begin"));
        };
        let caller = self.admit(&request, begin.header.as_ref(), Known::OrNewer)?;
        let vote =
            convert::required_vote(begin.vote.as_ref()).map_err(|error| malformed(&error))?;
        Self::check_speaker(caller, &vote)?;
        let meta = begin.meta.ok_or_else(|| Status::invalid_argument("the metadata is missing"))?;
        let meta = snapshot_meta_from(meta).map_err(|error| malformed(&error))?;
        let data = receive(request.get_mut(), begin.bytes).await?;
        let SnapshotResponse { vote } = self
            .raft
            .install_full_snapshot(vote, Snapshot { meta, snapshot: data })
            .await
            .map_err(|error| stopped(&error))?;
        Ok(Response::new(wire::SnapshotResponse { vote: Some(vote_to(&vote)) }))
    }

    async fn forward(
        &self,
        request: Request<wire::ForwardRequest>,
    ) -> Result<Response<wire::ForwardResponse>, Status> {
        self.admit(&request, request.get_ref().header.as_ref(), Known::Certainly)?;
        let proposals = request.into_inner().proposals;
        let mut readable = Vec::with_capacity(proposals.len());
        let mut results: Vec<_> = proposals
            .iter()
            .map(|bytes| match Proposal::decode(bytes).and_then(Replicated::new) {
                Ok(replicated) => {
                    readable.push(replicated);
                    None
                }
                Err(error) => Some(Forwarded::Unreadable(error.to_string())),
            })
            .collect();
        let written = self.local.write_many(readable).await.map_err(|refusal| refused(&refusal))?;
        let empty = results.iter_mut().filter(|result| result.is_none());
        for (place, result) in empty.zip(written) {
            *place = Some(forwarded(result));
        }
        let results = results.into_iter().map(|result| wire::Forwarded { result }).collect();
        Ok(Response::new(wire::ForwardResponse { results }))
    }

    async fn read_index(
        &self,
        request: Request<wire::ReadIndexRequest>,
    ) -> Result<Response<wire::ReadIndexResponse>, Status> {
        use wire::read_index_response::Result as Wire;
        let caller = self.admit(&request, request.get_ref().header.as_ref(), Known::Certainly)?;
        self.told.note(caller, request.get_ref().applied);
        let result = match self.local.read_index().await {
            Ok(index) => Wire::Index(index),
            Err(NotDone::NotLeader(leader)) => Wire::NotLeader(leader.to_wire()),
            Err(NotDone::Unknown(cause)) => Wire::NoQuorum(cause),
            Err(NotDone::Stopped(refusal)) => return Err(refused(&refusal)),
        };
        Ok(Response::new(wire::ReadIndexResponse { result: Some(result) }))
    }
}

async fn next_part(stream: &mut Streaming<wire::SnapshotChunk>) -> Result<Option<Part>, Status> {
    Ok(stream.message().await?.and_then(|chunk| chunk.part))
}

async fn receive(
    stream: &mut Streaming<wire::SnapshotChunk>,
    announced: u64,
) -> Result<Bytes, Status> {
    let too_large = || Status::invalid_argument("the snapshot is longer than announced");
    let length = usize::try_from(announced)
        .ok()
        .filter(|_| announced <= SNAPSHOT_BYTES_MAX)
        .ok_or_else(too_large)?;
    let mut data = BytesMut::new();
    while let Some(part) = next_part(stream).await? {
        let Part::Data(chunk) = part else {
            return Err(Status::invalid_argument("the snapshot begins twice"));
        };
        if data.len() + chunk.len() > length {
            return Err(too_large());
        }
        data.extend_from_slice(&chunk);
    }
    if data.len() == length {
        Ok(data.freeze())
    } else {
        Err(Status::invalid_argument("the snapshot ended early"))
    }
}
