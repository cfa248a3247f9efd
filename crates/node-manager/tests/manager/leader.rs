//! A leader that says what a test tells it to, over plain TCP, in a runtime of its own that can
//! be killed.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    net::TcpListener,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures_util::Stream;
use quorate_api::internal::{
    Act, FromNode, LogAnswer, LogRequest, Master, Redirect, RenewNodeRequest, RenewNodeResponse,
    SignCertificateRequest, SignCertificateResponse, ToNode, Welcome, from_node,
    node_managers_server::{NodeManagers, NodeManagersServer},
    to_node::Message,
};
use quorate_keyring::identity::{CertificateAuthority, CertificateNames};
use quorate_model::{
    ActionId, Clock, ClusterId, DesiredInstance, InstanceObservation, MemberAction, NodeId,
    NodeReport,
};
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_stream::{
    StreamExt,
    wrappers::{ReceiverStream, TcpListenerStream},
};
use tonic::{Request, Response, Status, Streaming, transport::Server};

use crate::{clock::SystemClock, host::until};

pub(crate) const CLUSTER: ClusterId = ClusterId::from_parts(1, 2);

/// What a fake master says of itself, and what it was told.
struct Said {
    node: NodeId,
    /// Epoch and term; a follower has none.
    leads: Option<(u64, u64)>,
    leader: Option<NodeId>,
    masters: BTreeMap<NodeId, String>,
    desired: Option<String>,
    session: Option<mpsc::Sender<ToNode>>,
    sessions: usize,
    reports: Vec<NodeReport>,
    logs: Vec<LogAnswer>,
    signed: Vec<SignCertificateRequest>,
    authority: CertificateAuthority,
    lifetime: Duration,
}

impl Said {
    fn masters(&self) -> Vec<Master> {
        let wire = |(node, addr): (&NodeId, &String)| Master {
            node_id: node.0,
            internal_addr: addr.clone(),
        };
        self.masters.iter().map(wire).collect()
    }
}

pub(crate) struct FakeMaster {
    said: Arc<Mutex<Said>>,
    pub(crate) node: NodeId,
    pub(crate) addr: String,
    runtime: Option<Runtime>,
}

impl FakeMaster {
    /// A master that knows no leader.
    pub(crate) fn follower(node: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        listener.set_nonblocking(true).unwrap();
        let node = NodeId(node);
        let said = Arc::new(Mutex::new(Said {
            node,
            leads: None,
            leader: None,
            masters: BTreeMap::from([(node, addr.clone())]),
            desired: None,
            session: None,
            sessions: 0,
            reports: Vec::new(),
            logs: Vec::new(),
            signed: Vec::new(),
            authority: CertificateAuthority::create(CLUSTER, SystemClock.now()).unwrap(),
            lifetime: Duration::from_secs(86_400),
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let service = NodeManagersServer::new(Service(Arc::clone(&said)));
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let incoming = TcpListenerStream::new(listener);
            Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        Self { said, node, addr, runtime: Some(runtime) }
    }

    /// A master that leads in this epoch and term.
    pub(crate) fn leader(node: u64, epoch: u64, term: u64) -> Self {
        let master = Self::follower(node);
        master.lead(epoch, term);
        master
    }

    pub(crate) fn lead(&self, epoch: u64, term: u64) {
        let mut said = self.said();
        said.leads = Some((epoch, term));
        said.leader = Some(self.node);
    }

    pub(crate) fn knows(&self, leader: Option<u64>, masters: &[&Self]) {
        let mut said = self.said();
        said.leader = leader.map(NodeId);
        said.masters = masters.iter().map(|it| (it.node, it.addr.clone())).collect();
    }

    /// Sends the list, now and to every later session.
    pub(crate) fn desire<const N: usize>(&self, list: [DesiredInstance; N]) {
        let json = serde_json::to_string(list.as_slice()).unwrap();
        self.said().desired = Some(json.clone());
        self.send(Message::DesiredJson(json));
    }

    /// Sends a message if there is a session.
    pub(crate) fn send(&self, message: Message) {
        if let Some(session) = self.said().session.as_ref() {
            let _ended = session.try_send(ToNode { message: Some(message) });
        }
    }

    pub(crate) fn act(&self, id: ActionId, via: &str, action: &MemberAction) {
        self.send(Message::Act(Act {
            id_json: serde_json::to_string(&id).unwrap(),
            component: "fake".into(),
            via: via.into(),
            action_json: serde_json::to_string(action).unwrap(),
        }));
    }

    pub(crate) fn acknowledge(&self, id: ActionId) {
        self.send(Message::AcknowledgedJson(serde_json::to_string(&id).unwrap()));
    }

    /// Ends the session by naming another leader.
    pub(crate) fn redirect(&self) {
        let said = self.said();
        let message = Message::Redirect(Redirect {
            leader: said.leader.map(|it| it.0),
            masters: said.masters(),
        });
        drop(said);
        self.send(message);
    }

    /// Says again, in the session, that it leads and which masters it knows.
    pub(crate) fn welcome_again(&self) {
        let said = self.said();
        let (epoch, term) = said.leads.unwrap();
        let message =
            Message::Welcome(Welcome { leader: said.node.0, term, epoch, masters: said.masters() });
        drop(said);
        self.send(message);
    }

    pub(crate) fn ask_log(&self, request: u64, instance: &str, max_bytes: u64) -> LogAnswer {
        self.send(Message::Log(LogRequest { request, instance: instance.into(), max_bytes }));
        let mut answer = None;
        until("the answer with the log", || {
            answer = self.said().logs.iter().find(|it| it.request == request).cloned();
            answer.is_some()
        });
        answer.unwrap()
    }

    pub(crate) fn set_certificate_lifetime(&self, lifetime: Duration) {
        self.said().lifetime = lifetime;
    }

    pub(crate) fn signed(&self) -> Vec<SignCertificateRequest> {
        self.said().signed.clone()
    }

    pub(crate) fn sessions(&self) -> usize {
        self.said().sessions
    }

    pub(crate) fn reports(&self) -> usize {
        self.said().reports.len()
    }

    pub(crate) fn last_report(&self) -> Option<NodeReport> {
        self.said().reports.last().cloned()
    }

    /// Waits for a report that was made after the call and that the condition holds for.
    pub(crate) fn report(
        &self,
        what: impl Display,
        condition: impl Fn(&NodeReport) -> bool,
    ) -> NodeReport {
        let mut from = self.reports();
        let mut found = None;
        until(what, || {
            let said = self.said();
            found = said.reports[from..].iter().find(|it| condition(it)).cloned();
            from = said.reports.len();
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits for an observation of an instance.
    pub(crate) fn observed(
        &self,
        instance: &str,
        what: &str,
        condition: impl Fn(&InstanceObservation) -> bool,
    ) -> InstanceObservation {
        let find = |report: &NodeReport| {
            let mut seen = report.instances.iter();
            seen.find(|it| it.instance.as_str() == instance && condition(it)).cloned()
        };
        let what = fmt::from_fn(|f: &mut fmt::Formatter<'_>| {
            write!(f, "`{instance}`: {what}; last of {}: {:?}", self.reports(), self.last_report())
        });
        find(&self.report(&what, |report| find(report).is_some())).unwrap()
    }

    /// Kills it with all its connections.
    pub(crate) fn die(mut self) {
        drop(self.runtime.take());
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap()
    }
}

struct Service(Arc<Mutex<Said>>);

type Answers = Pin<Box<dyn Stream<Item = Result<ToNode, Status>> + Send>>;

#[tonic::async_trait]
impl NodeManagers for Service {
    type SessionStream = Answers;

    async fn session(
        &self,
        request: Request<Streaming<FromNode>>,
    ) -> Result<Response<Answers>, Status> {
        let (sender, receiver) = mpsc::channel(1024);
        let say = |message| sender.try_send(ToNode { message: Some(message) }).unwrap();
        {
            let mut said = self.0.lock().unwrap();
            said.sessions += 1;
            let masters = said.masters();
            match said.leads {
                None => {
                    say(Message::Redirect(Redirect { leader: said.leader.map(|it| it.0), masters }))
                }
                Some((epoch, term)) => {
                    say(Message::Welcome(Welcome { leader: said.node.0, term, epoch, masters }));
                    if let Some(json) = &said.desired {
                        say(Message::DesiredJson(json.clone()));
                    }
                    said.session = Some(sender);
                }
            }
        }
        let said = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut inbound = request.into_inner();
            while let Some(Ok(message)) = inbound.next().await {
                let mut said = said.lock().unwrap();
                match message.message {
                    Some(from_node::Message::ReportJson(json)) => {
                        said.reports.push(serde_json::from_str(&json).unwrap());
                    }
                    Some(from_node::Message::Log(answer)) => said.logs.push(answer),
                    None => {}
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver).map(Ok))))
    }

    async fn sign_certificate(
        &self,
        request: Request<SignCertificateRequest>,
    ) -> Result<Response<SignCertificateResponse>, Status> {
        let request = request.into_inner();
        let mut said = self.0.lock().unwrap();
        let names = CertificateNames {
            common_name: request.common_name.clone(),
            names: request.names.clone(),
        };
        let signed = said
            .authority
            .issue_component(&names, &request.csr_pem, SystemClock.now(), said.lifetime)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        said.signed.push(request);
        Ok(Response::new(SignCertificateResponse {
            cert_pem: signed.cert_pem,
            ca_pem: signed.ca_pem,
        }))
    }

    async fn renew_node(
        &self,
        _: Request<RenewNodeRequest>,
    ) -> Result<Response<RenewNodeResponse>, Status> {
        Err(Status::unimplemented("see tests/identity.rs"))
    }
}
