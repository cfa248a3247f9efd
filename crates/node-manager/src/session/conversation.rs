//! One session with a leader: its messages obeyed, reports sent when something changes and at
//! least every so often.

use std::path::Path;

use quorate_api::internal::{FromNode, LogAnswer, LogRequest, ToNode, from_node, to_node::Message};
use quorate_model::{InstanceName, NodeCheckup, NodeId, NodeOrder, NodeReport};
use quorate_supervisor::logs;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::{Duration, Instant, MissedTickBehavior, interval, sleep_until},
};
use tonic::Streaming;
use tracing::{debug, warn};

use super::{
    SessionsParts,
    messages::{DesiredList, OrderedAction, Redirected, authority_of, masters_of},
};
use crate::disk::blocking;

/// Changes that come close together are reported together.
const GATHER: Duration = Duration::from_millis(10);
/// A log's end is one message, and a message has at most 4 MiB.
const LOG_BYTES: u64 = 2 * 1024 * 1024;

pub(super) struct Conversation<'a> {
    parts: &'a mut SessionsParts,
    out: mpsc::Sender<FromNode>,
    /// A list of which not all could be written down.
    unfinished: Option<DesiredList>,
    /// This leader has not heard yet what the node finds of itself.
    checkup_untold: bool,
}

impl<'a> Conversation<'a> {
    pub(super) const fn new(parts: &'a mut SessionsParts, out: mpsc::Sender<FromNode>) -> Self {
        Self { parts, out, unfinished: None, checkup_untold: true }
    }

    /// Talks until the session ends; returns where to go instead, if the leader said so.
    pub(super) async fn run(mut self, mut inbound: Streaming<ToNode>) -> Option<Redirected> {
        let mut seen = self.parts.board.changes();
        let mut ended = self.parts.actions.changes();
        let mut regular = interval(self.parts.report_every);
        regular.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut report_at: Option<Instant> = None;
        loop {
            let due = report_at.unwrap_or_else(Instant::now);
            tokio::select! {
                message = inbound.message() => match message {
                    Ok(Some(ToNode { message: Some(Message::Redirect(redirect)) })) => {
                        return Some(redirect.into());
                    }
                    Ok(Some(message)) => self.take(message).await,
                    Ok(None) => return None,
                    Err(status) => {
                        debug!(%status, "the session broke off");
                        return None;
                    }
                },
                // The first tick comes at once: a full report opens the session.
                _ = regular.tick() => {
                    self.finish_list().await;
                    self.report();
                    report_at = None;
                }
                _ = seen.changed(), if report_at.is_none() => {
                    report_at = Some(Instant::now() + GATHER);
                }
                _ = ended.changed(), if report_at.is_none() => {
                    report_at = Some(Instant::now() + GATHER);
                }
                () = sleep_until(due), if report_at.is_some() => {
                    report_at = None;
                    // What changed while waiting is in this report.
                    seen.mark_unchanged();
                    ended.mark_unchanged();
                    self.report();
                }
            }
        }
    }

    async fn take(&mut self, message: ToNode) {
        match message.message {
            Some(Message::DesiredJson(json)) => {
                let list = DesiredList::read(&json);
                for reason in &list.unreadable {
                    warn!(%reason, "an order cannot be read; nothing is taken for forgotten");
                }
                self.unfinished = Some(list);
                self.finish_list().await;
            }
            Some(Message::Act(act)) => match OrderedAction::try_from(act) {
                Ok(OrderedAction { id, via, action }) => {
                    let context = self.parts.keeper.context(&via);
                    self.parts.actions.order(id, &via, context, action);
                }
                Err(reason) => warn!(%reason, "an action cannot be read"),
            },
            Some(Message::AcknowledgedJson(json)) => match serde_json::from_str(&json) {
                Ok(id) => self.parts.actions.acknowledge(id),
                Err(error) => warn!(%error, "an acknowledgement cannot be read"),
            },
            Some(Message::OrderJson(json)) => self.take_order(&json),
            Some(Message::FeatureLevel(level)) => {
                self.parts.feature_level.send_if_modified(|known| {
                    let rises = *known < level;
                    *known = level.max(*known);
                    rises
                });
            }
            Some(Message::Log(request)) => self.answer_log(request),
            Some(Message::Welcome(welcome)) => self.parts.book.welcomed_again(
                NodeId(welcome.leader),
                authority_of(&welcome),
                masters_of(welcome.masters),
            ),
            Some(Message::Redirect(_)) | None => {}
        }
    }

    /// Passes an order to this process on; an older one than the newest is no news.
    fn take_order(&self, json: &str) {
        match serde_json::from_str::<NodeOrder>(json) {
            Ok(order) => {
                self.parts.orders.send_if_modified(|newest| {
                    let is_newer =
                        newest.as_ref().is_none_or(|it| it.generation < order.generation);
                    if is_newer {
                        *newest = Some(order);
                    }
                    is_newer
                });
            }
            Err(error) => warn!(%error, "an order to this process cannot be read"),
        }
    }

    /// Obeys the last list, again if a disk refused before.
    async fn finish_list(&mut self) {
        let Some(list) = self.unfinished.take() else { return };
        let obeyed = self.parts.keeper.obey(&list.orders, list.unreadable.is_empty()).await;
        if let Err(error) = obeyed {
            let cause = crate::connector::in_full(&error);
            warn!(%cause, "an order is not obeyed yet, as it cannot be written down");
            self.unfinished = Some(list);
        }
    }

    /// What the node finds of itself, when this leader has not heard of it yet.
    fn checkup(&mut self) -> Option<Box<NodeCheckup>> {
        let checkups = self.parts.checkups.as_mut()?;
        let is_new = checkups.has_changed().unwrap_or(false);
        if !(is_new || self.checkup_untold) {
            return None;
        }
        // Until it is on its way: a report may be dropped.
        self.checkup_untold = true;
        let mut checkup = Box::new(checkups.borrow_and_update().clone());
        // The leader compares its clock with this one.
        checkup.answered_at = self.parts.board.now();
        Some(checkup)
    }

    fn report(&mut self) {
        let checkup = self.checkup();
        let tells_checkup = checkup.is_some();
        let told = self.parts.told.borrow().clone();
        let report = NodeReport {
            checkup,
            instances: self.parts.board.observations(),
            actions: self.parts.actions.reports(),
            version: self.parts.version.clone(),
            obeyed: told.obeyed,
            order: told.report,
            reads_level: self.parts.reads_level,
            unmanaged: self.parts.board.unmanaged(),
        };
        let json = match serde_json::to_string(&report) {
            Ok(json) => json,
            Err(error) => {
                warn!(%error, "a report cannot be written");
                return;
            }
        };
        let message = FromNode { message: Some(from_node::Message::ReportJson(json)) };
        // A leader that does not take reports in gets the next one; a gone one ends the session.
        match self.out.try_send(message) {
            Ok(()) if tells_checkup => self.checkup_untold = false,
            Err(TrySendError::Full(_)) => debug!("the leader is slow to take reports"),
            Ok(()) | Err(TrySendError::Closed(_)) => {}
        }
    }

    fn answer_log(&self, request: LogRequest) {
        let (folder, out) = (self.parts.log_folder.clone(), self.out.clone());
        tokio::spawn(async move {
            let number = request.request;
            let read = blocking(move || read_log(&folder, &request)).await;
            let (content, error) = match read {
                Some(Ok(content)) => (content, String::new()),
                Some(Err(error)) => (Vec::new(), error),
                None => (Vec::new(), "the node manager is stopping".to_owned()),
            };
            let answer = LogAnswer { request: number, content, error };
            // Nobody waits any more when the session has ended.
            let _ = out.send(FromNode { message: Some(from_node::Message::Log(answer)) }).await;
        });
    }
}

fn read_log(folder: &Path, request: &LogRequest) -> Result<Vec<u8>, String> {
    let instance =
        InstanceName::new(request.instance.clone()).map_err(|error| error.to_string())?;
    logs::tail(folder, &instance, request.max_bytes.min(LOG_BYTES))
        .map_err(|error| format!("cannot read the log of `{instance}`: {error}"))
}
