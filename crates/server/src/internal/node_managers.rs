//! The node managers' sessions and certificates.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use quorate_api::internal::{
    Act, FromNode, LogAnswer, LogRequest, Redirect, RenewNodeRequest, RenewNodeResponse,
    SignCertificateRequest, SignCertificateResponse, ToNode, Welcome, from_node,
    node_managers_server::NodeManagers, to_node,
};
use quorate_control::{Control, LeaderHint, ToNode as Told, use_cases::certificates};
use quorate_keyring::identity::CertificateNames;
use quorate_model::{InstanceName, NodeId, NodeReport, Refusal, codes};
use serde::Serialize;
use tonic::{Request, Response, Status, Streaming};
use tracing::{debug, info};

use super::{enrolment::masters, status_of};
use crate::authorize::{peer_of, require_member};

pub(super) struct Service {
    control: Control,
}

impl Service {
    pub(super) const fn new(control: Control) -> Self {
        Self { control }
    }

    fn caller<T>(&self, request: &Request<T>) -> Result<NodeId, Status> {
        let caller =
            peer_of(request.extensions(), self.control.cluster()).map_err(|status| *status)?;
        require_member(&self.control, caller, |roles| roles.node_manager)
            .map_err(|status| *status)?;
        Ok(caller)
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<ToNode, Status>> + Send>>;

#[tonic::async_trait]
impl NodeManagers for Service {
    type SessionStream = Answers;

    async fn session(
        &self,
        request: Request<Streaming<FromNode>>,
    ) -> Result<Response<Answers>, Status> {
        let node = self.caller(&request)?;
        let session = match self.control.open_node_session(node) {
            Ok(session) => session,
            Err(hint) => {
                let once = futures_util::stream::once(async move { Ok(redirect(hint)) });
                return Ok(Response::new(Box::pin(once)));
            }
        };
        info!(%node, "node manager connected");
        tokio::spawn(listen(self.control.clone(), node, request.into_inner()));
        let messages = futures_util::stream::unfold(session, |mut session| async move {
            session.messages.recv().await.map(|told| (told, session))
        });
        Ok(Response::new(Box::pin(messages.map(to_wire))))
    }

    async fn sign_certificate(
        &self,
        request: Request<SignCertificateRequest>,
    ) -> Result<Response<SignCertificateResponse>, Status> {
        let caller = self.caller(&request)?;
        let request = request.into_inner();
        let instance = InstanceName::new(request.instance).map_err(|error| {
            status_of(&Refusal::new(codes::REQUEST_MALFORMED, error.to_string()))
        })?;
        let names = CertificateNames { common_name: request.common_name, names: request.names };
        let signed =
            certificates::sign_instance(&self.control, caller, &instance, &names, &request.csr_pem)
                .map_err(|refusal| status_of(&refusal))?;
        Ok(Response::new(SignCertificateResponse {
            cert_pem: signed.cert_pem,
            ca_pem: signed.ca_pem,
        }))
    }

    async fn renew_node(
        &self,
        request: Request<RenewNodeRequest>,
    ) -> Result<Response<RenewNodeResponse>, Status> {
        let caller =
            peer_of(request.extensions(), self.control.cluster()).map_err(|status| *status)?;
        // Masters renew here too, so no role is asked for.
        require_member(&self.control, caller, |_| true).map_err(|status| *status)?;
        let cert_pem =
            certificates::renew_node(&self.control, caller, &request.into_inner().csr_pem)
                .map_err(|refusal| status_of(&refusal))?;
        Ok(Response::new(RenewNodeResponse { cert_pem }))
    }
}

/// Takes in what a node manager says until it hangs up.
async fn listen(control: Control, node: NodeId, mut said: Streaming<FromNode>) {
    while let Some(message) = said.next().await {
        match message.map(|message| message.message) {
            Ok(Some(from_node::Message::ReportJson(json))) => {
                match serde_json::from_str::<NodeReport>(&json) {
                    Ok(report) => control.take_report(node, report),
                    Err(error) => debug!(%node, %error, "a report cannot be read"),
                }
            }
            Ok(Some(from_node::Message::Log(LogAnswer { request, content, error }))) => {
                let answer = if error.is_empty() { Ok(content) } else { Err(error) };
                control.take_log(node, request, answer);
            }
            Ok(None) => {}
            Err(status) => {
                debug!(%node, %status, "the session broke off");
                break;
            }
        }
    }
    info!(%node, "node manager disconnected");
}

fn redirect(hint: LeaderHint) -> ToNode {
    let message = to_node::Message::Redirect(Redirect {
        leader: hint.leader.map(|id| id.0),
        masters: masters(hint.masters),
    });
    ToNode { message: Some(message) }
}

fn to_wire(told: Told) -> Result<ToNode, Status> {
    let message = match told {
        Told::Welcome { leader, term, epoch, masters: all } => to_node::Message::Welcome(Welcome {
            leader: leader.0,
            term: term.0,
            epoch: epoch.0,
            masters: masters(all),
        }),
        Told::Desired(desired) => to_node::Message::DesiredJson(json(&desired)?),
        Told::Act { id, component, via, action } => to_node::Message::Act(Act {
            id_json: json(&id)?,
            component: component.to_string(),
            via: via.to_string(),
            action_json: json(&action)?,
        }),
        Told::FeatureLevel(level) => to_node::Message::FeatureLevel(level),
        Told::Order(order) => to_node::Message::OrderJson(json(&order)?),
        Told::Acknowledged(id) => to_node::Message::AcknowledgedJson(json(&id)?),
        Told::Log { request, instance, max_bytes } => {
            to_node::Message::Log(LogRequest { request, instance: instance.to_string(), max_bytes })
        }
        Told::Redirect(hint) => return Ok(redirect(hint)),
    };
    Ok(ToNode { message: Some(message) })
}

fn json(value: &impl Serialize) -> Result<String, Status> {
    serde_json::to_string(value).map_err(|error| Status::internal(error.to_string()))
}
