//! One runner for each unfinished operation, as long as this master leads.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use quorate_model::{OperationId, OperationStatus};
use tokio::task::JoinHandle;
use tracing::info;

use crate::{Actor, runner::Runner};

/// How long the engine sleeps at most when nothing changes.
const IDLE: Duration = Duration::from_secs(1);

/// Runs every operation that is to run. Returns never; drop or abort it when leadership ends:
/// what it was doing is then found started by the next leader.
pub async fn run<A: Actor>(actor: Arc<A>) {
    let mut runners = Runners::default();
    loop {
        runners.0.retain(|_, runner| !runner.is_finished());
        for operation in actor.state().metadata.operations.values() {
            let is_due =
                matches!(operation.status, OperationStatus::Running | OperationStatus::Aborting);
            if is_due && !runners.0.contains_key(&operation.id) {
                info!(operation = %operation.id, term = %actor.term(), "operation taken up");
                let runner = Runner::new(Arc::clone(&actor), operation.id);
                runners.0.insert(operation.id, tokio::spawn(runner.run()));
            }
        }
        actor.changed(IDLE).await;
    }
}

/// Aborts its tasks when it is dropped, so that no runner outlives the leader's term.
#[derive(Default)]
struct Runners(BTreeMap<OperationId, JoinHandle<()>>);

impl Drop for Runners {
    fn drop(&mut self) {
        for runner in self.0.values() {
            runner.abort();
        }
    }
}
