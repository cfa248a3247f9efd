//! Keeps the readiness value true.

use std::time::Duration;

use quorate_api::rest::Precondition;
use tracing::{info, warn};

use crate::Control;

/// How often to look while something is missing.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often to look while all is well; each look asks the leader.
const LOOK_EVERY_WHEN_READY: Duration = Duration::from_secs(1);

/// How long the leader may take to answer a look; a master cut off from it is not ready.
const LOOK_DEADLINE: Duration = Duration::from_secs(1);

/// Runs as long as this master does.
pub(super) async fn run(control: Control) {
    let mut was_ready = false;
    loop {
        let mut unmet = look(&control).await;
        unmet.extend(missing(&control, &unmet));
        let ready = unmet.is_empty();
        if control.readiness().set(unmet.clone()) {
            info!(node = %control.node(), "Cluster ready");
        } else if was_ready && !ready {
            warn!(node = %control.node(), unmet = %unmet[0].unmet, "not ready any more");
        }
        was_ready = ready;
        tokio::time::sleep(if ready { LOOK_EVERY_WHEN_READY } else { LOOK_EVERY }).await;
    }
}

/// Who is missing, where no quorum answers.
fn missing(control: &Control, unmet: &[Precondition]) -> Option<Precondition> {
    let missing = control.missing_voters();
    let without_quorum = unmet.iter().any(|it| it.name == "leader" || it.name == "quorum");
    (without_quorum && !missing.is_empty()).then(|| Precondition {
        name: "voters".to_owned(),
        unmet: format!("not reached from this master: {}", missing.join(", ")),
    })
}

/// What is missing: a leader, a quorum behind it, a state as new as its.
async fn look(control: &Control) -> Vec<Precondition> {
    let unmet =
        |name: &str, words: String| vec![Precondition { name: name.to_owned(), unmet: words }];
    let status = control.raft().status();
    if status.leader.is_none() {
        return unmet("leader", "no leader is elected".to_owned());
    }
    match tokio::time::timeout(LOOK_DEADLINE, control.raft().linearize()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            return unmet("quorum", format!("no quorum of masters answers: {error}"));
        }
        Err(_) => {
            let seconds = LOOK_DEADLINE.as_secs();
            return unmet("quorum", format!("no quorum of masters answered within {seconds} s"));
        }
    }
    if control.state().cluster.is_none() {
        return unmet("state", "this master has not received the cluster's state yet".to_owned());
    }
    Vec::new()
}
