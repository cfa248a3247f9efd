//! How a leader leaves: leadership is handed over first.

use std::time::Duration;

use quorate_control::Control;
use quorate_model::NodeId;
use tracing::warn;

/// How long handing leadership over may take.
const STOP_DEADLINE: Duration = Duration::from_secs(8);

/// Before a leader leaves, it hands leadership to the living voter with the highest priority that
/// is close to its log, so that clients notice at most one retry. Returns the voter that took it.
pub(super) async fn hand_over(control: &Control) -> Option<NodeId> {
    control.leading()?;
    match tokio::time::timeout(STOP_DEADLINE, control.hand_over(STOP_DEADLINE)).await {
        Ok(Ok(heir)) => return heir,
        Ok(Err(error)) => warn!(%error, "leadership not handed over"),
        Err(_) => warn!("leadership not handed over in time"),
    }
    None
}
