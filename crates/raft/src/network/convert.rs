//! Between openraft's messages and the wire's.

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};

use crate::{
    ondisk::{RecordError, entry_from, entry_to, log_id_from, log_id_to, vote_from, vote_to},
    proto::raft as wire,
    types::{LogId, TokioConfig as C, Vote},
};

pub(super) fn append_to(
    rpc: &AppendEntriesRequest<C>,
    header: wire::Header,
) -> wire::AppendRequest {
    wire::AppendRequest {
        header: Some(header),
        vote: Some(vote_to(&rpc.vote)),
        prev: rpc.prev_log_id.as_ref().map(log_id_to),
        entries: rpc.entries.iter().map(entry_to).collect(),
        leader_commit: rpc.leader_commit.as_ref().map(log_id_to),
    }
}

pub(super) fn append_from(
    rpc: wire::AppendRequest,
) -> Result<AppendEntriesRequest<C>, RecordError> {
    Ok(AppendEntriesRequest {
        vote: required_vote(rpc.vote.as_ref())?,
        prev_log_id: rpc.prev.as_ref().map(log_id_from),
        entries: rpc.entries.into_iter().map(entry_from).collect::<Result<_, _>>()?,
        leader_commit: rpc.leader_commit.as_ref().map(log_id_from),
    })
}

pub(super) fn append_response_to(response: &AppendEntriesResponse<C>) -> wire::AppendResponse {
    use wire::append_response::Result as Wire;
    let result = match response {
        AppendEntriesResponse::Success => Wire::Success(wire::Done {}),
        AppendEntriesResponse::PartialSuccess(matched) => {
            Wire::Partial(wire::PartialSuccess { matched: matched.as_ref().map(log_id_to) })
        }
        AppendEntriesResponse::Conflict => Wire::Conflict(wire::Done {}),
        AppendEntriesResponse::HigherVote(vote) => Wire::HigherVote(vote_to(vote)),
    };
    wire::AppendResponse { result: Some(result) }
}

pub(super) fn append_response_from(
    response: wire::AppendResponse,
) -> Result<AppendEntriesResponse<C>, RecordError> {
    use wire::append_response::Result as Wire;
    Ok(match response.result.ok_or(RecordError::Missing("result"))? {
        Wire::Success(_) => AppendEntriesResponse::Success,
        Wire::Partial(partial) => {
            AppendEntriesResponse::PartialSuccess(partial.matched.as_ref().map(log_id_from))
        }
        Wire::Conflict(_) => AppendEntriesResponse::Conflict,
        Wire::HigherVote(vote) => AppendEntriesResponse::HigherVote(vote_from(&vote)),
    })
}

pub(super) fn vote_request_to(rpc: &VoteRequest<C>, header: wire::Header) -> wire::VoteRequest {
    wire::VoteRequest {
        header: Some(header),
        vote: Some(vote_to(&rpc.vote)),
        last: rpc.last_log_id.as_ref().map(log_id_to),
        leadership_transfer: rpc.leadership_transfer,
    }
}

pub(super) fn vote_request_from(rpc: &wire::VoteRequest) -> Result<VoteRequest<C>, RecordError> {
    let mut request =
        VoteRequest::new(required_vote(rpc.vote.as_ref())?, rpc.last.as_ref().map(log_id_from));
    request.leadership_transfer = rpc.leadership_transfer;
    Ok(request)
}

pub(super) fn vote_response_to(response: &VoteResponse<C>) -> wire::VoteResponse {
    wire::VoteResponse {
        vote: Some(vote_to(&response.vote)),
        granted: response.vote_granted,
        last: response.last_log_id.as_ref().map(log_id_to),
    }
}

pub(super) fn vote_response_from(
    response: &wire::VoteResponse,
) -> Result<VoteResponse<C>, RecordError> {
    Ok(VoteResponse {
        vote: required_vote(response.vote.as_ref())?,
        vote_granted: response.granted,
        last_log_id: response.last.as_ref().map(log_id_from),
    })
}

pub(super) fn transfer_to(
    rpc: &TransferLeaderRequest<C>,
    header: wire::Header,
) -> wire::TransferLeaderRequest {
    wire::TransferLeaderRequest {
        header: Some(header),
        from_leader: Some(vote_to(rpc.from_leader())),
        to: *rpc.to_node_id(),
        last: rpc.last_log_id().map(log_id_to),
    }
}

pub(super) fn transfer_from(
    rpc: &wire::TransferLeaderRequest,
) -> Result<TransferLeaderRequest<C>, RecordError> {
    Ok(TransferLeaderRequest::new(
        required_vote(rpc.from_leader.as_ref())?,
        rpc.to,
        rpc.last.as_ref().map(log_id_from),
    ))
}

pub(super) fn transfer_response_to(
    response: &TransferLeaderResponse<C>,
) -> wire::TransferLeaderResponse {
    use wire::transfer_leader_response::Result as Wire;
    let result = match response {
        Ok(()) => Wire::Accepted(wire::Done {}),
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            Wire::VoteChanged(wire::VoteChanged {
                expected: Some(vote_to(expected)),
                actual: Some(vote_to(actual)),
            })
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            Wire::LogNotFlushed(wire::LogNotFlushed {
                expected: expected.as_ref().map(log_id_to),
                actual: actual.as_ref().map(log_id_to),
            })
        }
    };
    wire::TransferLeaderResponse { result: Some(result) }
}

pub(super) fn transfer_response_from(
    response: wire::TransferLeaderResponse,
) -> Result<TransferLeaderResponse<C>, RecordError> {
    use wire::transfer_leader_response::Result as Wire;
    Ok(match response.result.ok_or(RecordError::Missing("result"))? {
        Wire::Accepted(_) => Ok(()),
        Wire::VoteChanged(changed) => Err(TransferLeaderError::VoteChanged {
            expected: required_vote(changed.expected.as_ref())?,
            actual: required_vote(changed.actual.as_ref())?,
        }),
        Wire::LogNotFlushed(ids) => Err(TransferLeaderError::LogNotFlushed {
            expected: optional_log_id(ids.expected.as_ref()),
            actual: optional_log_id(ids.actual.as_ref()),
        }),
    })
}

pub(super) fn required_vote(
    vote: Option<&crate::proto::record::Vote>,
) -> Result<Vote, RecordError> {
    vote.map(vote_from).ok_or(RecordError::Missing("vote"))
}

fn optional_log_id(id: Option<&crate::proto::record::LogId>) -> Option<LogId> {
    id.map(log_id_from)
}
