//! Enrolment: open to callers without a certificate, everything is proved by the join token.

use quorate_api::internal::{
    JoinRequest, JoinResponse, Master, PrepareRequest, PrepareResponse, enrolment_server::Enrolment,
};
use quorate_control::{Control, use_cases::enrolment};
use quorate_model::{NodeName, Refusal, TokenId, codes};
use tonic::{Request, Response, Status};

use super::status_of;

pub(super) struct Service {
    control: Control,
}

impl Service {
    pub(super) const fn new(control: Control) -> Self {
        Self { control }
    }
}

#[tonic::async_trait]
impl Enrolment for Service {
    async fn prepare(
        &self,
        request: Request<PrepareRequest>,
    ) -> Result<Response<PrepareResponse>, Status> {
        let request = request.into_inner();
        let token = parse_token(&request.token_id)?;
        let prepared = enrolment::prepare(&self.control, token, &request.secret)
            .await
            .map_err(|refusal| status_of(&refusal))?;
        Ok(Response::new(PrepareResponse {
            cluster_id: prepared.cluster.to_string(),
            role: prepared.role.as_str().to_owned(),
            sealed_keyring: prepared.sealed_keyring,
            feature_level: prepared.feature_level,
        }))
    }

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let request = request.into_inner();
        let name = NodeName::new(request.name).map_err(|error| {
            status_of(&Refusal::new(codes::REQUEST_MALFORMED, error.to_string()))
        })?;
        let wanted = enrolment::JoinRequest {
            token: parse_token(&request.token_id)?,
            secret: request.secret,
            csr_pem: request.csr_pem,
            name,
            address: request.address,
            internal_addr: request.internal_addr,
            admin_addr: request.admin_addr,
            version: request.version,
            reads_level: request.reads_level,
        };
        let joined =
            enrolment::join(&self.control, wanted).await.map_err(|refusal| status_of(&refusal))?;
        Ok(Response::new(JoinResponse {
            node_id: joined.node.0,
            cluster_id: joined.cluster.to_string(),
            cert_pem: joined.cert_pem,
            ca_pem: joined.ca_pem,
            epoch: joined.epoch.0,
            masters: masters(joined.masters),
        }))
    }
}

fn parse_token(text: &str) -> Result<TokenId, Status> {
    text.parse().map_err(|_| {
        status_of(&Refusal::new(codes::JOIN_TOKEN_INVALID, "the join token is malformed"))
    })
}

pub(super) fn masters(masters: Vec<(quorate_model::NodeId, String)>) -> Vec<Master> {
    masters.into_iter().map(|(id, internal_addr)| Master { node_id: id.0, internal_addr }).collect()
}
