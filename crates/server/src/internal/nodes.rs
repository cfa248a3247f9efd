//! What nodes ask of any master: to announce where they are reached before the leader can find them
//! there, and to hand out a binary.

use quorate_api::internal::{
    AnnounceRequest, AnnounceResponse, ReadBinaryRequest, ReadBinaryResponse, nodes_server::Nodes,
};
use quorate_control::{
    Control,
    use_cases::{binaries, nodes},
};
use quorate_model::{Refusal, codes};
use tonic::{Request, Response, Status};

use super::status_of;
use crate::authorize::{peer_of, require_member};

pub(super) struct Service {
    control: Control,
}

impl Service {
    pub(super) const fn new(control: Control) -> Self {
        Self { control }
    }
}

#[tonic::async_trait]
impl Nodes for Service {
    async fn announce(
        &self,
        request: Request<AnnounceRequest>,
    ) -> Result<Response<AnnounceResponse>, Status> {
        let caller =
            peer_of(request.extensions(), self.control.cluster()).map_err(|status| *status)?;
        require_member(&self.control, caller, |roles| roles.master).map_err(|status| *status)?;
        let AnnounceRequest { node_json, record } = request.into_inner();
        let node = serde_json::from_str(&node_json).map_err(|error| {
            status_of(&Refusal::new(codes::REQUEST_MALFORMED, error.to_string()))
        })?;
        // Only of itself: who it is says its certificate.
        nodes::told(&self.control, caller, &node).map_err(|refusal| status_of(&refusal))?;
        if record {
            nodes::announce(&self.control, caller, node)
                .await
                .map_err(|refusal| status_of(&refusal))?;
        }
        Ok(Response::new(AnnounceResponse {}))
    }

    async fn read_binary(
        &self,
        request: Request<ReadBinaryRequest>,
    ) -> Result<Response<ReadBinaryResponse>, Status> {
        let caller =
            peer_of(request.extensions(), self.control.cluster()).map_err(|status| *status)?;
        require_member(&self.control, caller, |_| true).map_err(|status| *status)?;
        let request = request.into_inner();
        let (bytes, size) = binaries::read(&self.control, &request.sha256, request.offset)
            .await
            .map_err(|refusal| status_of(&refusal))?;
        Ok(Response::new(ReadBinaryResponse { bytes, size }))
    }
}
