//! Finding the leader and staying with it: one session after the other.

mod conversation;
mod messages;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use quorate_api::internal::{
    FromNode, ToNode, node_managers_client::NodeManagersClient, to_node::Message,
};
use quorate_model::{NodeCheckup, NodeId, NodeOrder, Refusal, codes};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};
use tracing::{debug, info, warn};

use self::{
    conversation::Conversation,
    messages::{Redirected, authority_of, masters_of},
};
use crate::{
    MasterConnector, OrdersTold, actions::Actions, board::Board, connector::in_full,
    keeper::Keeper, link::LeaderLink, masters::MasterBook, pace::Pace,
};

/// How long a master may take until it has said whether it leads.
const WELCOME_DEADLINE: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// After so many redirects in a row it is better to wait for an election to end.
const REDIRECTS: u32 = 3;
/// A session that was shorter is no reason to hurry: something ends them, such as a second node
/// manager with this node's certificate.
const LASTING: Duration = Duration::from_secs(1);
/// How many messages may wait for a slow leader.
const QUEUE: usize = 64;
/// The desired list holds each component's whole specification for each of its instances.
const MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// What sessions are made of.
pub(crate) struct SessionsParts {
    pub(crate) connector: Arc<dyn MasterConnector>,
    pub(crate) book: MasterBook,
    pub(crate) keeper: Keeper,
    pub(crate) actions: Actions,
    pub(crate) board: Arc<Board>,
    pub(crate) link: watch::Sender<Option<LeaderLink>>,
    pub(crate) log_folder: PathBuf,
    pub(crate) version: String,
    pub(crate) orders: watch::Sender<Option<NodeOrder>>,
    pub(crate) told: watch::Receiver<OrdersTold>,
    pub(crate) reads_level: u32,
    pub(crate) feature_level: watch::Sender<u32>,
    pub(crate) report_every: Duration,
    pub(crate) checkups: Option<watch::Receiver<NodeCheckup>>,
}

/// How an attempt with one master ended.
enum End {
    /// It could not be reached, or is no leader to obey.
    Failed(String),
    /// It says that this node was removed from the cluster.
    Removed(Refusal),
    /// It named another, or nobody.
    Redirected(Redirected),
    /// It led for a while.
    Served(Option<Redirected>),
}

/// An open stream with a leader that may be obeyed.
struct Session {
    out: mpsc::Sender<FromNode>,
    inbound: Streaming<ToNode>,
}

/// Why a master did not open a session.
fn refused(status: &tonic::Status) -> End {
    match serde_json::from_slice::<Refusal>(status.details()) {
        Ok(refusal) if refusal.code == codes::NODE_REMOVED => End::Removed(refusal),
        _ => End::Failed(in_full(status)),
    }
}

/// Finds the leader, again and again.
pub(crate) struct Sessions {
    parts: SessionsParts,
}

impl Sessions {
    pub(crate) const fn new(parts: SessionsParts) -> Self {
        Self { parts }
    }

    /// Ends only when this node was removed from the cluster, with what a master said.
    pub(crate) async fn run(mut self) -> Refusal {
        let mut pace = Pace::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut redirects = 0;
        let mut silent = false;
        loop {
            let Some((node, addr)) = self.parts.book.next() else {
                warn!("no master is known");
                sleep(pace.jittered_pause()).await;
                continue;
            };
            let began = Instant::now();
            let end = self.attempt(node, &addr).await;
            self.parts.link.send_replace(None);
            let go_on_at_once = match end {
                End::Served(hint) => {
                    info!(master = %node, "the session has ended");
                    let lasted = began.elapsed() >= LASTING;
                    if lasted {
                        pace.reset();
                        redirects = 0;
                    } else {
                        redirects += 1;
                    }
                    silent = false;
                    self.parts.book.failed(node, Instant::now());
                    match hint {
                        Some(hint) => self.follow(hint) && redirects <= REDIRECTS,
                        None => lasted,
                    }
                }
                End::Removed(refusal) => return refusal,
                End::Redirected(hint) => {
                    debug!(master = %node, leader = ?hint.leader, "redirected");
                    redirects += 1;
                    self.follow(hint) && redirects <= REDIRECTS
                }
                End::Failed(reason) => {
                    // Said once: this goes on for as long as there is no quorum.
                    if silent {
                        debug!(master = %node, %reason, "no session");
                    } else {
                        warn!(master = %node, %reason, "no session; the instances are kept as last ordered");
                        silent = true;
                    }
                    self.parts.book.failed(node, Instant::now());
                    false
                }
            };
            if !go_on_at_once {
                sleep(pace.jittered_pause()).await;
                redirects = 0;
            }
        }
    }

    fn follow(&mut self, hint: Redirected) -> bool {
        self.parts.book.redirected(hint.leader, hint.masters, Instant::now())
    }

    /// Opens a session with a master and stays in it.
    async fn attempt(&mut self, node: NodeId, addr: &str) -> End {
        let channel = match self.parts.connector.connect(node, addr).await {
            Ok(channel) => channel,
            Err(error) => return End::Failed(error.to_string()),
        };
        let opened = timeout(WELCOME_DEADLINE, self.open(channel.clone()));
        let session = match opened.await {
            Ok(Ok(session)) => session,
            Ok(Err(end)) => return end,
            Err(_) => {
                return End::Failed(format!("{node} at {addr} accepts calls and does not answer"));
            }
        };
        info!(master = %node, "the leader has welcomed this node");
        self.parts.link.send_replace(Some(LeaderLink { leader: node, channel }));
        let conversation = Conversation::new(&mut self.parts, session.out);
        End::Served(conversation.run(session.inbound).await)
    }

    /// Opens a stream and waits to be welcomed by a leader that is not outranked.
    async fn open(&mut self, channel: Channel) -> Result<Session, End> {
        let (out, outbox) = mpsc::channel(QUEUE);
        let mut client = NodeManagersClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
        let mut inbound = client
            .session(ReceiverStream::new(outbox))
            .await
            .map_err(|status| refused(&status))?
            .into_inner();
        loop {
            let message =
                inbound.message().await.map_err(|status| End::Failed(in_full(&status)))?;
            let Some(message) = message else {
                return Err(End::Failed("it ended the session at once".to_owned()));
            };
            match message.message {
                Some(Message::Welcome(welcome)) => {
                    let authority = authority_of(&welcome);
                    let obeyed = self.parts.book.authority();
                    if authority < obeyed {
                        return Err(End::Failed(format!(
                            "it leads in {authority:?}, and a leader in {obeyed:?} was obeyed \
                             before"
                        )));
                    }
                    let masters = masters_of(welcome.masters);
                    self.parts.book.welcomed(NodeId(welcome.leader), authority, masters);
                    return Ok(Session { out, inbound });
                }
                Some(Message::Redirect(redirect)) => {
                    return Err(End::Redirected(Redirected::from(redirect)));
                }
                // Nothing is believed before a welcome.
                Some(_) | None => {}
            }
        }
    }
}
