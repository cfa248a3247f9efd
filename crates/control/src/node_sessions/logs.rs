//! The end of an instance's log, asked of its node manager.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use quorate_model::{InstanceName, NodeId, Refusal, codes};
use tokio::sync::oneshot;

use super::ToNode;
use crate::Control;

/// How long a node manager may take to read a log.
const LOG_DEADLINE: Duration = Duration::from_secs(10);

/// The requests that are not answered yet, by their numbers.
#[derive(Debug, Default)]
pub(super) struct LogWaits(Mutex<BTreeMap<u64, LogWait>>);

/// Whose answer is waited for, and where it goes.
#[derive(Debug)]
struct LogWait {
    node: NodeId,
    answer: oneshot::Sender<Result<Vec<u8>, String>>,
}

/// Forgets a request for a log on every way out.
struct ExpectedLog<'a> {
    waits: &'a LogWaits,
    request: u64,
}

impl Drop for ExpectedLog<'_> {
    fn drop(&mut self) {
        self.waits.lock().remove(&self.request);
    }
}

impl LogWaits {
    /// A panic while holding the lock leaves the map whole, so the poison says nothing.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, LogWait>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(
        &self,
        request: u64,
        node: NodeId,
    ) -> (ExpectedLog<'_>, oneshot::Receiver<Result<Vec<u8>, String>>) {
        let (answer, receiver) = oneshot::channel();
        self.lock().insert(request, LogWait { node, answer });
        (ExpectedLog { waits: self, request }, receiver)
    }

    /// Only the node that was asked can answer.
    fn answer(&self, node: NodeId, request: u64, answer: Result<Vec<u8>, String>) {
        let mut logs = self.lock();
        if logs.get(&request).is_some_and(|waiting| waiting.node == node)
            && let Some(waiting) = logs.remove(&request)
        {
            // Nobody waits any more when the deadline has passed.
            let _ = waiting.answer.send(answer);
        }
    }
}

impl Control {
    /// Takes in the end of a log from the node manager that was asked for it.
    pub fn take_log(&self, node: NodeId, request: u64, answer: Result<Vec<u8>, String>) {
        self.shared.sessions.logs.answer(node, request, answer);
    }

    /// Reads the end of an instance's log through its node manager.
    pub(crate) async fn fetch_log(
        &self,
        node: NodeId,
        instance: &InstanceName,
        max_bytes: u64,
    ) -> Result<Vec<u8>, Refusal> {
        let silent = |cause: String| {
            Refusal::new(codes::NODE_SILENT, format!("cannot read the log of `{instance}`"))
                .cause(cause)
                .hint("see that its node manager runs: quorate status")
        };
        let state = self.state();
        let known = state.metadata.nodes.get(&node);
        let name = known.map_or_else(|| node.to_string(), |known| known.name.to_string());
        let sender = self
            .shared
            .sessions
            .sender(node)
            .ok_or_else(|| silent(format!("the node manager of `{name}` has no session")))?;
        let request = self.shared.log_requests.fetch_add(1, Ordering::Relaxed);
        let (_expected, answer) = self.shared.sessions.logs.expect(request, node);
        let ask = ToNode::Log { request, instance: instance.clone(), max_bytes };
        let asked = async {
            let ended = || "its session has just ended".to_owned();
            sender.send(ask).await.map_err(|_| ended())?;
            answer.await.map_err(|_| ended())?
        };
        match tokio::time::timeout(LOG_DEADLINE, asked).await {
            Ok(answered) => answered.map_err(silent),
            Err(_) => Err(silent(format!("it did not answer within {} s", LOG_DEADLINE.as_secs()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_node_that_was_asked_answers_for_its_log() {
        let waits = LogWaits::default();
        let (_expected, mut answer) = waits.expect(7, NodeId(2));
        waits.answer(NodeId(3), 7, Ok(b"forged".to_vec()));
        assert!(answer.try_recv().is_err());
        waits.answer(NodeId(2), 7, Ok(b"true".to_vec()));
        assert_eq!(answer.try_recv().unwrap(), Ok(b"true".to_vec()));
    }

    #[test]
    fn a_log_nobody_waits_for_any_more_is_forgotten() {
        let waits = LogWaits::default();
        let (expected, _answer) = waits.expect(7, NodeId(2));
        drop(expected);
        assert!(waits.lock().is_empty());
    }
}
