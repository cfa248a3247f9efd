//! Many node managers on one leader: each has its own id, certificate, connection and session,
//! and reports once a second, as real ones do; none of them starts any process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use futures_util::stream::{self, StreamExt as _};
use quorate_api::internal::{
    FromNode, JoinRequest, enrolment_client::EnrolmentClient, from_node,
    node_managers_client::NodeManagersClient,
};
use quorate_keyring::identity::{
    JoinToken, NodeIdentity, NodeKey, ReloadableIdentity, enrolment_client_tls, server_name,
};
use quorate_model::{Clock, Generation, NodeId, NodeReport, Timestamp};
use quorate_node_manager::{TlsDialer, connect_tls};
use serde::Serialize;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{interval, sleep},
};
use tonic::transport::Channel;

use crate::{
    error::{BenchError, WriteError},
    progress::progress,
    systems::{Quorate, System},
    usage::{CpuReading, resident_mib},
};

const NAME: &str = "Quorate";
/// How often a node manager reports.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How many node managers enrol, or connect, at once.
const AT_ONCE: usize = 32;
/// How long all sessions may take to be counted by the leader.
const PATIENCE: Duration = Duration::from_secs(120);
/// Before anything is measured.
const SETTLE: Duration = Duration::from_secs(3);

/// What one leader needs for them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fleet {
    /// How many there were.
    pub(crate) node_managers: u32,
    /// Seconds to make so many tokens and enrol with them.
    pub(crate) enrolled: f64,
    /// Seconds until all sessions were open.
    pub(crate) connected: f64,
    /// The leader's processor use with all of them reporting, in percent of one core.
    pub(crate) leader_cpu: f64,
    /// Its resident memory before the first one enrolled, in MiB.
    pub(crate) resident_before_mib: f64,
    /// Its resident memory with all of them.
    pub(crate) resident_mib: f64,
    /// What all the node managers together used in this program, in percent of one core.
    pub(crate) generator_cpu: f64,
}

/// Starts a cluster of three, enrols the node managers, opens their sessions, watches the leader.
pub(crate) async fn measure(
    system: &mut Quorate,
    node_managers: u32,
    duration: Duration,
) -> Result<Fleet, BenchError> {
    let failure = |source| BenchError::Client { system: NAME, source };
    system.start().await?;
    let leader = system.leader().await.map_err(failure)?;
    let pid = system.members().pids().get(leader).copied().unwrap_or_default();
    let resident_before_mib = resident_mib(pid).unwrap_or_default();

    progress(&format!("enrolling {node_managers} node managers"));
    let begin = Instant::now();
    let identities = enrol(system, node_managers).await.map_err(failure)?;
    let enrolled = begin.elapsed().as_secs_f64();

    progress(&format!("enrolled in {enrolled:.1} s; opening the sessions"));
    let address: Arc<str> = system.internal_address(leader).to_string().into();
    let begin = Instant::now();
    let mut fleet = Sessions::default();
    fleet.open(identities, &address, system.node_id(leader).await.map_err(failure)?);
    await_sessions(system, &fleet, node_managers as usize).await?;
    let connected = begin.elapsed().as_secs_f64();

    progress(&format!("all sessions are open after {connected:.1} s; watching the leader"));
    sleep(SETTLE).await;
    let before = [CpuReading::of(&[pid]), CpuReading::of_self()];
    sleep(duration).await;
    let leader_cpu = CpuReading::of(&[pid]).percent_since(&before[0]);
    let generator_cpu = CpuReading::of_self().percent_since(&before[1]);
    let resident_mib = resident_mib(pid).unwrap_or_default();
    // Whoever lost its session meanwhile would make the numbers look better than they are.
    await_sessions(system, &fleet, node_managers as usize).await?;
    Ok(Fleet {
        node_managers,
        enrolled,
        connected,
        leader_cpu,
        resident_before_mib,
        resident_mib,
        generator_cpu,
    })
}

/// Enrols them with a token each; the connection is shared, since a joiner has no certificate.
async fn enrol(system: &Quorate, node_managers: u32) -> Result<Vec<NodeIdentity>, WriteError> {
    let first = JoinToken::parse(&system.token("node-manager").await?).map_err(WriteError::of)?;
    let (tls, captured) =
        enrolment_client_tls(first.ca, first.cluster, &system_clock()).map_err(WriteError::of)?;
    let addr = first.addresses.first().map(String::as_str).unwrap_or_default();
    let name = server_name(first.cluster, NodeId(1));
    let channel = connect_tls(tls, name, addr).await.map_err(WriteError)?;
    let captured = &captured;
    let mut enrolled = stream::iter(1..=node_managers)
        .map(|number| {
            let client = EnrolmentClient::new(channel.clone());
            async move {
                let token = JoinToken::parse(&system.token("node-manager").await?)
                    .map_err(WriteError::of)?;
                enrol_one(client, &token, number, captured.ca_pem().unwrap_or_default()).await
            }
        })
        .buffer_unordered(AT_ONCE);
    let mut identities = Vec::new();
    while let Some(identity) = enrolled.next().await {
        identities.push(identity?);
    }
    Ok(identities)
}

async fn enrol_one(
    mut client: EnrolmentClient<Channel>,
    token: &JoinToken,
    number: u32,
    ca_pem: String,
) -> Result<NodeIdentity, WriteError> {
    let key = NodeKey::generate().map_err(WriteError::of)?;
    let request = JoinRequest {
        token_id: token.id.to_string(),
        secret: token.secret.to_vec(),
        csr_pem: key.csr_pem().map_err(WriteError::of)?,
        name: format!("nm{number}"),
        address: "127.0.0.1".to_owned(),
        internal_addr: String::new(),
        admin_addr: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        reads_level: 1,
    };
    let joined = client.join(request).await.map_err(WriteError::of)?.into_inner();
    Ok(NodeIdentity {
        cluster: token.cluster,
        node: NodeId(joined.node_id),
        cert_pem: joined.cert_pem,
        key_pem: key.key_pem(),
        ca_pem,
    })
}

/// The node managers' tasks; they end with it.
#[derive(Default)]
struct Sessions {
    tasks: JoinSet<()>,
    open: Arc<AtomicUsize>,
}

impl Sessions {
    fn open(&mut self, identities: Vec<NodeIdentity>, address: &Arc<str>, leader: NodeId) {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        for identity in identities {
            let (turns, open) = (Arc::clone(&turns), Arc::clone(&self.open));
            let address = Arc::clone(address);
            self.tasks.spawn(async move {
                loop {
                    // Never closed, so a turn always comes.
                    let Ok(turn) = turns.acquire().await else { return };
                    let session = connect(&identity, leader, &address).await;
                    drop(turn);
                    if let Ok((reports, mut told)) = session {
                        open.fetch_add(1, Ordering::Relaxed);
                        tokio::select! {
                            () = report(&reports) => {}
                            () = async { while let Ok(Some(_)) = told.message().await {} } => {}
                        }
                        open.fetch_sub(1, Ordering::Relaxed);
                    }
                    sleep(REPORT_EVERY).await;
                }
            });
        }
    }
}

type Told = tonic::Streaming<quorate_api::internal::ToNode>;

async fn connect(
    identity: &NodeIdentity,
    leader: NodeId,
    address: &str,
) -> Result<(mpsc::Sender<FromNode>, Told), WriteError> {
    let identity = ReloadableIdentity::new(identity.clone()).map_err(WriteError::of)?;
    let dialer = TlsDialer::new(&identity, &system_clock()).map_err(WriteError::of)?;
    let channel = dialer.dial(leader, address).await.map_err(WriteError::of)?;
    let (reports, said) = mpsc::channel(4);
    let said = stream::unfold(said, |mut said: mpsc::Receiver<FromNode>| async move {
        said.recv().await.map(|message| (message, said))
    });
    let told = NodeManagersClient::new(channel).session(said).await.map_err(WriteError::of)?;
    Ok((reports, told.into_inner()))
}

/// Reports for as long as somebody listens.
async fn report(reports: &mpsc::Sender<FromNode>) {
    let report = NodeReport {
        instances: Vec::new(),
        actions: Vec::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        obeyed: Generation(0),
        order: None,
        reads_level: 1,
        checkup: None,
        unmanaged: Vec::new(),
    };
    let Ok(json) = serde_json::to_string(&report) else { return };
    let mut ticks = interval(REPORT_EVERY);
    loop {
        ticks.tick().await;
        let message = FromNode { message: Some(from_node::Message::ReportJson(json.clone())) };
        if reports.send(message).await.is_err() {
            return;
        }
    }
}

/// The clock of this machine, by which certificates are valid.
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Waits until every session is open and the leader has heard of every node lately.
async fn await_sessions(
    system: &Quorate,
    fleet: &Sessions,
    wanted: usize,
) -> Result<(), BenchError> {
    let begin = Instant::now();
    loop {
        let open = fleet.open.load(Ordering::Relaxed);
        let ready = if open == wanted { system.ready_node_managers().await } else { Ok(0) };
        if matches!(ready, Ok(ready) if ready == wanted) {
            return Ok(());
        }
        if begin.elapsed() > PATIENCE {
            let last = format!("{open} sessions are open, {ready:?} node managers ready");
            let what = "every node manager to be ready";
            return Err(BenchError::Waited { system: NAME, what, waited: PATIENCE, last });
        }
        sleep(Duration::from_millis(200)).await;
    }
}
