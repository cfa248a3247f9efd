//! Gives the leadership back to a preferred master, and finds who takes over from a leaving one.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use quorate_model::NodeId;
use quorate_plan::{LeadershipDecision, decide_leader, heirs};
use quorate_raft::MembershipError;
use tracing::{info, warn};

use super::watching::Watching;
use crate::Control;

/// Whoever has answered within so many heartbeats, or within this time, lives almost certainly.
const JUST_NOW_HEARTBEATS: u32 = 3;
const JUST_NOW: Duration = Duration::from_millis(250);
/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Runs while this master leads.
pub(super) async fn run(control: Control) {
    let mut watching = Watching::default();
    loop {
        let now = Instant::now();
        watching.look(&control, now);
        let decision = decide_leader(&watching.leadership_input(&control, now));
        control.shared.outlook.send_if_modified(|outlook| {
            let changed = outlook.leadership.as_ref() != Some(&decision);
            outlook.leadership = Some(decision.clone());
            changed
        });
        if let LeadershipDecision::Transfer(to) = decision {
            match control.raft().transfer_leader(to).await {
                Ok(took) => {
                    info!(%to, took_ms = took.as_millis(), "handed over to the preferred master");
                }
                Err(error) => warn!(%to, %error, "cannot hand over to the preferred master"),
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Who could take over from this leader now, the best first: living voters by their priority, those
/// close to its log before the others.
pub(super) fn present_heirs(control: &Control) -> Vec<NodeId> {
    let now = Instant::now();
    let mut watching = Watching::default();
    watching.look(control, now);
    heirs(&watching.leadership_input(control, now))
}

impl Control {
    /// Hands the leadership of this master to the best heir, or to the next best when that one does not
    /// take it: it may have died a moment ago, and counts as living for a while. Tries all of them
    /// again as long as there are any, until `deadline` is over. Answers who took it, and `None` when
    /// there was nobody to ask.
    ///
    /// # Errors
    /// Why the last one did not take it, or that this master leads no longer.
    pub async fn hand_over(&self, deadline: Duration) -> Result<Option<NodeId>, MembershipError> {
        let until = Instant::now() + deadline;
        let just_now = JUST_NOW.max(self.raft().heartbeat() * JUST_NOW_HEARTBEATS);
        let mut tried = BTreeSet::new();
        let mut failed = None;
        while self.leading().is_some() {
            let mut heirs = present_heirs(self);
            let status = self.raft().status();
            let answered = |heir: &NodeId| status.peers.get(heir).and_then(|peer| peer.acked_ago);
            heirs.sort_by_key(|heir| answered(heir).is_none_or(|ago| ago > just_now));
            let Some(heir) = heirs.iter().find(|heir| !tried.contains(*heir)).copied() else {
                if heirs.is_empty() || Instant::now() >= until {
                    return failed.map_or(Ok(None), Err);
                }
                tried.clear();
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            };
            match self.raft().transfer_leader(heir).await {
                Ok(took) => {
                    info!(to = %heir, took_ms = took.as_millis(), "leadership handed over");
                    return Ok(Some(heir));
                }
                Err(error @ (MembershipError::Refused(_) | MembershipError::Timeout { .. })) => {
                    warn!(to = %heir, %error, "leadership not handed over");
                    tried.insert(heir);
                    failed = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(MembershipError::NotLeader { leader: self.leader().map(|(leader, _)| leader) })
    }
}
