//! Component actions: ordered from the node manager that can act, until it reports what came of it.

use std::time::Duration;

use quorate_model::{
    ActionId, ActionOutcome, ComponentName, InstanceName, MemberAction, Refusal, codes,
};

use super::ToNode;
use crate::Control;

/// How often an action is ordered again while nobody has reported it.
const ORDER_AGAIN: Duration = Duration::from_secs(2);

impl Control {
    /// Has the node manager that carries `via` perform an action, and waits for its report.
    pub(crate) async fn perform(
        &self,
        id: ActionId,
        component: &ComponentName,
        via: &InstanceName,
        action: &MemberAction,
        deadline: Duration,
    ) -> ActionOutcome {
        let failed = |cause: String| ActionOutcome::Failed {
            refusal: Refusal::new(
                codes::MEMBER_ACTION_FAILED,
                format!("the node manager of `{via}` did not act"),
            )
            .cause(cause)
            .hint("see that it runs: quorate status; then resume the operation"),
        };
        let state = self.state();
        let node = state
            .metadata
            .components
            .get(component)
            .and_then(|known| known.spec.instance(via))
            .map(|instance| instance.node);
        let Some(node) = node else {
            return failed(format!("`{component}` has no instance `{via}`"));
        };
        self.shared.inventory.expect_action(id, node);
        let until = tokio::time::Instant::now() + deadline;
        let mut changes = self.shared.inventory.changes();
        let mut order_at = tokio::time::Instant::now();
        loop {
            if let Some(outcome) = self.shared.inventory.action(&id) {
                self.shared.inventory.forget_action(&id);
                return outcome;
            }
            let now = tokio::time::Instant::now();
            if now >= until {
                return failed(format!("nothing was reported within {} s", deadline.as_secs()));
            }
            if now >= order_at {
                order_at = now + ORDER_AGAIN;
                if let Some(sender) = self.shared.sessions.sender(node) {
                    let act = ToNode::Act {
                        id,
                        component: component.clone(),
                        via: via.clone(),
                        action: action.clone(),
                    };
                    // A full queue only means that it is ordered again.
                    let _ = sender.try_send(act);
                }
            }
            let _ = tokio::time::timeout_at(until.min(order_at), changes.changed()).await;
        }
    }
}
