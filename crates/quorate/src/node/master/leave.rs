//! How a leader leaves: leadership is handed over first.

use std::time::Duration;

use quorate_control::Control;
use quorate_model::NodeId;
use tracing::{info, warn};

/// How long handing leadership over may take.
const STOP_DEADLINE: Duration = Duration::from_secs(8);

/// Before a leader leaves, it hands leadership to the living voter with the highest priority that
/// is close to its log, so that clients notice at most one retry. Returns the voter that took it.
pub(super) async fn hand_over(control: &Control) -> Option<NodeId> {
    control.leading()?;
    let heir = control.heir()?;
    match tokio::time::timeout(STOP_DEADLINE, control.raft().transfer_leader(heir)).await {
        Ok(Ok(took)) => {
            info!(to = %heir, took_ms = took.as_millis(), "leadership handed over");
            return Some(heir);
        }
        Ok(Err(error)) => warn!(to = %heir, %error, "leadership not handed over"),
        Err(_) => warn!(to = %heir, "leadership not handed over in time"),
    }
    None
}
