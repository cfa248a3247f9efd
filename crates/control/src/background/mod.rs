//! The duties of a master, and those of the leader: the latter start with a term and end with it.

mod autopilot;
mod binaries;
mod leader_actor;
mod leadership;
mod masters_actor;
mod reaching;
mod readiness;
mod watching;

use std::sync::Arc;

use tracing::info;

pub use autopilot::AutopilotOptions;
pub(crate) use reaching::Reached;
pub(crate) use watching::Watching;

use crate::Control;

/// Runs the duties of this master until it is dropped.
pub async fn run_duties(control: Control) {
    tokio::join!(
        readiness::run(control.clone()),
        reaching::run(control.clone()),
        run_leader_duties(control)
    );
}

/// Starts the leader's duties with each term this master leads in and drops them when it ends.
async fn run_leader_duties(control: Control) {
    let mut leadership = control.raft().leadership();
    loop {
        let held = leadership.borrow_and_update().as_ref().map(|held| held.term);
        let Some(term) = held else {
            if leadership.changed().await.is_err() {
                return;
            }
            continue;
        };
        info!(node = %control.node(), %term, "leading");
        control.shared.inventory.clear();
        let actor = Arc::new(leader_actor::LeaderActor::new(control.clone(), term));
        tokio::select! {
            () = quorate_operations::run(actor) => {}
            () = autopilot::run(control.clone()) => {}
            () = binaries::run(control.clone()) => {}
            () = leadership::run(control.clone()) => {}
            () = term_ended(&mut leadership, term) => {}
        }
        info!(node = %control.node(), %term, "leading no longer");
        control.shared.inventory.clear();
        control.shared.outlook.send_replace(crate::outlook::Outlook::default());
    }
}

async fn term_ended(
    leadership: &mut tokio::sync::watch::Receiver<Option<quorate_raft::Leadership>>,
    term: quorate_model::Term,
) {
    // An error means that Raft has stopped, which ends the term as well.
    let _ = leadership.wait_for(|held| held.as_ref().map(|held| held.term) != Some(term)).await;
}
