//! Linearizable reads from any master.
//!
//! One round at a time: it asks the leader for a read index, waits until that is applied here, and
//! answers everybody who was waiting when it began. Who comes during a round waits for the next.

use std::{sync::Arc, time::Duration};

use quorate_model::{NodeId, Refusal, codes};
use quorate_state::State;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{RaftNode, Shared, local::NotDone};
use crate::{ReadError, network::Lane, proto::raft as wire};

/// How long a round rests before it looks for a leader again.
const RETRY: Duration = Duration::from_millis(10);
/// How long one question to the leader may take before it is asked again.
const ROUND: Duration = Duration::from_secs(1);

pub(super) type Reader = oneshot::Sender<Result<Arc<State>, ReadError>>;

impl RaftNode {
    /// A state at least as new as this call, from any master.
    ///
    /// # Errors
    /// [`ReadError::NoLeader`] when no leader confirmed its quorum within the deadline.
    pub async fn linearize(&self) -> Result<Arc<State>, ReadError> {
        let waited = self.inner.shared.options.read_deadline;
        let (reader, answer) = oneshot::channel();
        let stopped =
            || {
                ReadError::Stopped(
                    self.inner.shared.failure.current().unwrap_or_else(|| {
                        Refusal::new(codes::NOT_READY, "this master has stopped")
                    }),
                )
            };
        self.inner.readers.send(reader).map_err(|_| stopped())?;
        match timeout(waited, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(stopped()),
            Err(_) => Err(ReadError::NoLeader { waited }),
        }
    }
}

/// Runs rounds for as long as the node lives.
pub(super) async fn serve(shared: Shared, mut queue: mpsc::UnboundedReceiver<Reader>) {
    let mut readers = Vec::new();
    while queue.recv_many(&mut readers, usize::MAX).await > 0 {
        let result = shared.read_round().await;
        for reader in readers.drain(..) {
            // Whoever gave up in the meantime is not there.
            drop(reader.send(result.clone()));
        }
    }
}

impl Shared {
    async fn read_round(&self) -> Result<Arc<State>, ReadError> {
        let waited = self.options.read_deadline;
        let deadline = Instant::now() + waited;
        let no_leader = ReadError::NoLeader { waited };
        loop {
            if let Some(refusal) = self.stopped() {
                return Err(ReadError::Stopped(refusal));
            }
            match timeout_at(deadline, self.ask_leader()).await {
                Ok(Ok(index)) => {
                    return timeout_at(deadline, self.published.applied(index))
                        .await
                        .map(|()| self.published.current())
                        .map_err(|_| no_leader);
                }
                Ok(Err(NotDone::Stopped(refusal))) => return Err(ReadError::Stopped(refusal)),
                Ok(Err(_)) => sleep(RETRY).await,
                Err(_) => return Err(no_leader),
            }
            if Instant::now() >= deadline {
                return Err(no_leader);
            }
        }
    }

    async fn ask_leader(&self) -> Result<u64, NotDone> {
        let leader = self.leader();
        match leader.node {
            Some(node) if node == self.options.node => self.local.read_index().await,
            Some(node) => timeout(ROUND, self.ask(node, &leader.addr))
                .await
                .unwrap_or_else(|_| Err(NotDone::Unknown(format!("{node} did not answer")))),
            None => Err(NotDone::NotLeader(leader)),
        }
    }

    async fn ask(&self, leader: NodeId, addr: &str) -> Result<u64, NotDone> {
        use wire::read_index_response::Result as Wire;
        let failed = |cause: String| NotDone::Unknown(cause);
        let mut client = self
            .peers
            .client(leader, addr, Lane::Request)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let request = wire::ReadIndexRequest {
            header: Some(self.peers.header(leader)),
            applied: self.published.applied_now().unwrap_or(0),
        };
        let response = client.read_index(request).await.map_err(|status| {
            self.peers.heed(leader, &status);
            self.peers.forget(leader, Lane::Request);
            failed(status.message().to_owned())
        })?;
        match response.into_inner().result {
            Some(Wire::Index(index)) => Ok(index),
            Some(Wire::NoQuorum(cause)) => Err(failed(cause)),
            Some(Wire::NotLeader(_)) | None => Err(failed(format!("{leader} does not lead"))),
        }
    }
}
