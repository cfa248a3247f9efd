//! Member actions: each is carried out once, and its outcome repeated until it is acknowledged.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quorate_model::{
    ActionId, ActionOutcome, ActionReport, InstanceName, MemberAction, Refusal, codes,
};
use quorate_pack::{DriverError, InstanceContext};
use quorate_packs::DriverCatalog;
use tokio::{sync::watch, task::JoinSet};
use tracing::info;

/// A driver returns within ten seconds; this is for one that does not.
const ACTION_DEADLINE: Duration = Duration::from_secs(15);
/// How many outcomes are remembered after they were acknowledged.
const REMEMBERED: usize = 256;

enum Action {
    Begun,
    Ended { outcome: ActionOutcome, acknowledged: bool },
}

#[derive(Default)]
struct Known {
    actions: Mutex<BTreeMap<ActionId, Action>>,
    ended: watch::Sender<u64>,
}

impl Known {
    fn actions(&self) -> MutexGuard<'_, BTreeMap<ActionId, Action>> {
        self.actions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, id: ActionId, outcome: ActionOutcome) {
        self.actions().insert(id, Action::Ended { outcome, acknowledged: false });
        self.ended.send_modify(|count| *count += 1);
    }
}

/// The actions this node manager was ordered since it was started.
///
/// They are not kept across a restart: actions are ensure-shaped, so a leader that got no answer
/// orders again, and doing twice is doing once.
pub(crate) struct Actions {
    known: Arc<Known>,
    drivers: DriverCatalog,
    tasks: JoinSet<()>,
}

impl Actions {
    pub(crate) fn new(drivers: DriverCatalog) -> Self {
        Self { known: Arc::default(), drivers, tasks: JoinSet::new() }
    }

    /// Begins an action through an instance of this host, unless it is known: then only its
    /// outcome is reported again. `context` is `None` when there is no such instance here.
    pub(crate) fn order(
        &mut self,
        id: ActionId,
        via: &InstanceName,
        context: Option<InstanceContext>,
        action: MemberAction,
    ) {
        while self.tasks.try_join_next().is_some() {}
        {
            let mut actions = self.known.actions();
            match actions.get_mut(&id) {
                Some(Action::Begun) => return,
                Some(Action::Ended { acknowledged, .. }) => {
                    *acknowledged = false;
                    drop(actions);
                    self.known.ended.send_modify(|count| *count += 1);
                    return;
                }
                None => {
                    forget_oldest(&mut actions);
                    actions.insert(id, Action::Begun);
                }
            }
        }
        info!(%id, %via, ?action, "a member action begins");
        let Some(context) = context else {
            let refusal = failed(via).cause("this node carries no such instance");
            self.known.end(id, ActionOutcome::Failed { refusal });
            return;
        };
        let (known, drivers) = (Arc::clone(&self.known), self.drivers.clone());
        self.tasks.spawn(async move {
            let work = perform(&drivers, &context, &action);
            let outcome = match tokio::time::timeout(ACTION_DEADLINE, work).await {
                Ok(Ok(seen)) => ActionOutcome::Done { seen },
                Ok(Err(refusal)) => ActionOutcome::Failed { refusal },
                Err(_) => ActionOutcome::Failed {
                    refusal: failed(&context.instance)
                        .cause(format!("it took more than {} s", ACTION_DEADLINE.as_secs())),
                },
            };
            info!(%id, ?outcome, "a member action ended");
            known.end(id, outcome);
        });
    }

    /// The leader has the outcome.
    pub(crate) fn acknowledge(&self, id: ActionId) {
        if let Some(Action::Ended { acknowledged, .. }) = self.known.actions().get_mut(&id) {
            *acknowledged = true;
        }
    }

    /// What has ended and is not acknowledged.
    pub(crate) fn reports(&self) -> Vec<ActionReport> {
        let actions = self.known.actions();
        let reports = actions.iter().filter_map(|(id, action)| match action {
            Action::Ended { outcome, acknowledged: false } => {
                Some(ActionReport { id: *id, outcome: outcome.clone() })
            }
            Action::Ended { .. } | Action::Begun => None,
        });
        reports.collect()
    }

    /// Follows ends of actions.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.known.ended.subscribe()
    }
}

/// Makes room. Which of the ended and acknowledged ones goes does not matter: nobody asks again.
fn forget_oldest(actions: &mut BTreeMap<ActionId, Action>) {
    while actions.len() >= REMEMBERED {
        let oldest = actions
            .iter()
            .find(|(_, action)| matches!(action, Action::Ended { acknowledged: true, .. }))
            .map(|(id, _)| *id);
        let Some(oldest) = oldest else { return };
        actions.remove(&oldest);
    }
}

async fn perform(
    drivers: &DriverCatalog,
    via: &InstanceContext,
    action: &MemberAction,
) -> Result<String, Refusal> {
    let pack = &via.component.pack;
    let driver = drivers
        .get(pack)
        .ok_or_else(|| failed(&via.instance).cause(format!("there is no pack `{pack}` here")))?;
    match action {
        MemberAction::TransferLeadership { away_from, to } => {
            let leadership = driver.leadership().ok_or_else(|| {
                failed(&via.instance).cause(format!("the pack `{pack}` knows no leadership"))
            })?;
            leadership.transfer_leadership(via, away_from, to).await.map_err(|error| match error {
                DriverError::Refused(refusal) => refusal,
                error @ DriverError::Unreachable { .. } => {
                    failed(&via.instance).cause(error.to_string())
                }
            })
        }
    }
}

fn failed(via: &InstanceName) -> Refusal {
    Refusal::new(
        codes::MEMBER_ACTION_FAILED,
        format!("the action through `{via}` could not be carried out"),
    )
    .hint("see how the component is, then resume the operation")
}
