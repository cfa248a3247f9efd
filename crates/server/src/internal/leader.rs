//! Calls to the admin interface that followers pass on.

use axum::Router;
use http_body_util::BodyExt;
use quorate_api::internal::{CallRequest, CallResponse, leader_server::Leader};
use quorate_control::Control;
use tonic::{Request, Response, Status};
use tower::ServiceExt;

use super::status_of;
use crate::{
    authorize::{peer_of, require_member},
    proxy::{end_to_end, to_request},
};

pub(super) struct Service {
    control: Control,
    admin: Router,
}

impl Service {
    pub(super) const fn new(control: Control, admin: Router) -> Self {
        Self { control, admin }
    }
}

#[tonic::async_trait]
impl Leader for Service {
    async fn call(&self, request: Request<CallRequest>) -> Result<Response<CallResponse>, Status> {
        let caller =
            peer_of(request.extensions(), self.control.cluster()).map_err(|status| *status)?;
        require_member(&self.control, caller, |roles| roles.master).map_err(|status| *status)?;
        let request = to_request(request.into_inner()).map_err(|refusal| status_of(&refusal))?;
        let answer = match self.admin.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let (parts, body) = answer.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| Status::internal(format!("the answer broke off: {error}")))?;
        Ok(Response::new(CallResponse {
            status: u32::from(parts.status.as_u16()),
            headers: end_to_end(&parts.headers),
            body: body.to_bytes().to_vec(),
        }))
    }
}
