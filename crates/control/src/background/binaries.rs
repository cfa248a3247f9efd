//! Records which binaries the node managers run: what they read decides how far the feature level
//! may rise, and a next leader must know it before they have reported to it. Masters announce
//! theirs themselves.

use std::time::Duration;

use quorate_state::Command;
use tracing::{info, warn};

use crate::Control;

/// How often it is looked at when nothing seems to change.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs while this master leads.
pub(super) async fn run(control: Control) {
    loop {
        for command in news(&control) {
            let (_, what) = command.audit_words();
            match control.propose_as(format!("node:{}", control.node()), command).await {
                Ok(_) => info!(%what, "recorded the binary of a node manager"),
                Err(refusal) => warn!(code = %refusal.code, %what, "not recorded: {refusal}"),
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What the node managers report that is not recorded yet.
fn news(control: &Control) -> Vec<Command> {
    let state = control.state();
    let reported = control.shared.inventory.binaries();
    let news = reported.into_iter().filter_map(|(id, (version, reads_level))| {
        let known = state.metadata.nodes.get(&id)?;
        let is_known = known.version == version && known.reads_level == reads_level;
        (!known.roles.master && !is_known).then_some(Command::RecordBinary {
            id,
            version,
            reads_level,
        })
    });
    news.collect()
}
