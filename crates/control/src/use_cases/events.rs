//! Following what changes, for as long as the session lasts.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use quorate_api::rest::ChangeEvent;
use quorate_model::{ComponentName, Operation, OperationId, Refusal, Revision};
use quorate_state::State;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::access;
use crate::{Control, Permission, Principal, views};

/// Observations change many times a second; people do not.
const OBSERVED_AT_MOST_EVERY: Duration = Duration::from_millis(500);
/// How often it is checked that the follower is still logged in.
const CHECK_SESSION_EVERY: Duration = Duration::from_secs(5);
/// How many events may wait for a slow follower.
const QUEUE: usize = 64;

/// Follows what changes. The events end with the session of `token`, which is checked again every
/// few seconds, and when the control plane closes; without a token (the local root) only then.
///
/// # Errors
/// When the principal may not see them.
pub fn follow(
    control: &Control,
    principal: &Principal,
    token: Option<String>,
) -> Result<mpsc::Receiver<ChangeEvent>, Refusal> {
    principal.require(Permission::Read)?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let control = control.clone();
    tokio::spawn(async move {
        // Each of these ends the events, whatever the others are waiting for.
        tokio::select! {
            () = tell(&control, &sender) => {}
            () = session_ended(&control, token) => {}
            () = control.closed() => {}
            () = sender.closed() => {}
        }
    });
    Ok(receiver)
}

/// Returns once the session has ended or may see nothing any more.
async fn session_ended(control: &Control, token: Option<String>) {
    let Some(token) = token else { return std::future::pending().await };
    let mut ticks = interval(CHECK_SESSION_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let allowed = access::authenticate(control, &token)
            .await
            .and_then(|principal| principal.require(Permission::Read));
        if allowed.is_err() {
            return;
        }
    }
}

async fn tell(control: &Control, events: &mpsc::Sender<ChangeEvent>) {
    let mut states = control.state_watch();
    let mut observed = control.observed();
    let mut seen = Seen::default();
    let mut observed_due: Option<Instant> = None;
    let mut observed_told = Instant::now();
    loop {
        let state = Arc::clone(&states.borrow_and_update());
        for event in seen.differences(&state) {
            if events.send(event).await.is_err() {
                return;
            }
        }
        drop(state);
        tokio::select! {
            changed = states.changed() => if changed.is_err() { return },
            changed = observed.changed(), if observed_due.is_none() => {
                if changed.is_err() { return }
                observed_due = Some(observed_told + OBSERVED_AT_MOST_EVERY);
            }
            () = until(observed_due) => {
                observed_due = None;
                observed_told = Instant::now();
                observed.mark_unchanged();
                if events.send(ChangeEvent::Observed {}).await.is_err() { return }
            }
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// What a follower of events has been told.
#[derive(Default)]
struct Seen {
    applied: u64,
    operations: BTreeMap<OperationId, Arc<Operation>>,
    components: BTreeMap<ComponentName, Revision>,
}

impl Seen {
    fn differences(&mut self, state: &State) -> Vec<ChangeEvent> {
        let mut events = Vec::new();
        let operations = &state.metadata.operations;
        self.operations.retain(|id, _| operations.contains_key(id));
        for (id, operation) in operations {
            let known = self.operations.get(id).is_some_and(|old| Arc::ptr_eq(old, operation));
            if !known {
                self.operations.insert(*id, Arc::clone(operation));
                events.push(ChangeEvent::Operation(views::operation_summary(operation)));
            }
        }
        let components = &state.metadata.components;
        self.components.retain(|name, _| {
            let stays = components.contains_key(name);
            if !stays {
                let name = name.to_string();
                events.push(ChangeEvent::Component { name, removed: true });
            }
            stays
        });
        for (name, component) in components {
            if self.components.insert(name.clone(), component.revision) != Some(component.revision)
            {
                let name = name.to_string();
                events.push(ChangeEvent::Component { name, removed: false });
            }
        }
        if self.applied != state.applied.0 {
            self.applied = state.applied.0;
            events.push(ChangeEvent::State { applied_index: self.applied });
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_is_gone_is_told_of_once() {
        let mut seen = Seen::default();
        seen.components.insert(ComponentName::new("orders").unwrap(), Revision(3));
        let state = State::default();
        let removed = ChangeEvent::Component { name: "orders".to_owned(), removed: true };
        assert_eq!(seen.differences(&state), [removed]);
        assert_eq!(seen.differences(&state), []);
    }
}
