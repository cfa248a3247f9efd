//! The scheduling priority of masters and of the shims they may start.
//!
//! A leader that gets no processor for a third of a second is taken for dead and replaced. On a
//! host whose processors are all busy that would happen for nothing, so a master asks the kernel
//! to be run before others; it needs little time, but in time.

use rustix::process::{getpriority_process, setpriority_process};
use tracing::info;

/// The niceness of a master: well before ordinary processes.
const MASTER: i32 = -10;

/// Asks to be run before ordinary processes. It concerns the calling thread and those it starts,
/// so it must come before the runtime's threads.
pub(super) fn raise() {
    if getpriority_process(None).is_ok_and(|nice| nice <= MASTER) {
        return;
    }
    if let Err(error) = setpriority_process(None, MASTER) {
        info!(%error, "running with ordinary priority: on a fully loaded host the leader may \
               change without need (CAP_SYS_NICE, or Nice=-10 in the systemd unit, mends that)");
    }
}

/// Instances run with ordinary priority, also when their node is a master too.
pub(super) fn lower_to_ordinary() {
    if getpriority_process(None).is_ok_and(|nice| nice < 0) {
        // Lowering one's priority is always allowed; if not, the instance runs all the same.
        let _ = setpriority_process(None, 0);
    }
}
