//! Gives the leadership back to a preferred master, and finds who takes over from a leaving one.

use std::time::{Duration, Instant};

use quorate_model::NodeId;
use quorate_plan::{LeadershipDecision, decide_leader, heir};
use tracing::{info, warn};

use super::watching::Watching;
use crate::Control;

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Runs while this master leads.
pub(super) async fn run(control: Control) {
    let mut watching = Watching::new(Instant::now());
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

/// Who would take over from this leader now: the living voter with the highest priority that is
/// close to its log.
pub(crate) fn present_heir(control: &Control) -> Option<NodeId> {
    let now = Instant::now();
    let mut watching = Watching::new(now);
    watching.look(control, now);
    heir(&watching.leadership_input(control, now))
}
