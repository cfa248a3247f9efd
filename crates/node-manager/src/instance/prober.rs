//! Asks a running instance how it is, again and again, beside everything else.

use std::{path::PathBuf, sync::Arc, time::Duration};

use quorate_model::{DesiredInstance, InstanceName, Readiness};
use quorate_pack::MemberView;
use tokio::{sync::watch, time::timeout};

use super::{Host, context_of};
use crate::board::{RunKey, unknown};

/// A driver returns within ten seconds; this is for one that does not.
const PROBE_DEADLINE: Duration = Duration::from_secs(10);
/// The former answer is not repeated to the leader for longer than this.
const PATIENCE: Duration = Duration::from_secs(3);
/// An instance that does not serve yet is asked more often: somebody waits for it.
const EAGER: Duration = Duration::from_millis(250);

/// Probes one instance whenever it runs.
pub(super) struct Prober {
    pub(super) host: Arc<Host>,
    pub(super) instance: InstanceName,
    pub(super) folder: PathBuf,
    pub(super) orders: watch::Receiver<Option<DesiredInstance>>,
    pub(super) running: watch::Receiver<Option<RunKey>>,
}

impl Prober {
    /// Ends when the actor is gone.
    pub(super) async fn run(mut self) {
        loop {
            let run = *self.running.borrow_and_update();
            let desired = self.orders.borrow().clone();
            let (Some(run), Some(desired)) = (run, desired) else {
                if self.running.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let mut running = self.running.clone();
            let ready = tokio::select! {
                ready = self.probe(&desired, run) => ready,
                changed = running.changed() => if changed.is_err() { return } else { continue },
            };
            let every = self.host.probe_every;
            let pause = if ready { every } else { every.min(EAGER) };
            if let Ok(Err(_)) = timeout(pause, self.running.changed()).await {
                return;
            }
        }
    }

    /// Probes once; true when it serves.
    async fn probe(&self, desired: &DesiredInstance, run: RunKey) -> bool {
        let board = &self.host.board;
        let say = |view| board.set_view(&self.instance, run, view);
        let Some(driver) = self.host.drivers.get(&desired.component.pack) else {
            let pack = &desired.component.pack;
            say(without_answer(format!("this node manager knows no pack `{pack}`")));
            return false;
        };
        let context = context_of(desired, self.folder.clone());
        let mut probe = driver.probe(&context);
        let view = match timeout(PATIENCE, &mut probe).await {
            Ok(view) => view,
            Err(_) => {
                say(without_answer(format!("no answer within {} s", PATIENCE.as_secs())));
                match timeout(PROBE_DEADLINE - PATIENCE, probe).await {
                    Ok(view) => view,
                    Err(_) => {
                        without_answer(format!("no answer within {} s", PROBE_DEADLINE.as_secs()))
                    }
                }
            }
        };
        let ready = view.readiness == Readiness::Ready;
        say(view);
        ready
    }
}

fn without_answer(reason: String) -> MemberView {
    MemberView { readiness: unknown(reason), member: None }
}
