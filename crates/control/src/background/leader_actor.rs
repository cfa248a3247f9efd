//! What the operations engine acts through while this master leads.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use quorate_model::{
    ActionId, ActionOutcome, ComponentName, InstanceName, MemberAction, NodeAction, NodeId,
    Refusal, Term, VoterAction,
};
use quorate_operations::{Actor, ActorError, Waiting};
use quorate_pack::Catalog;
use quorate_plan::Observations;
use quorate_raft::ProposeError;
use quorate_state::{Command, Outcome, Proposal, State};

use crate::Control;

pub(super) struct LeaderActor {
    control: Control,
    term: Term,
}

impl LeaderActor {
    pub(super) const fn new(control: Control, term: Term) -> Self {
        Self { control, term }
    }
}

#[async_trait]
impl Actor for LeaderActor {
    fn term(&self) -> Term {
        self.term
    }

    fn principal(&self) -> String {
        format!("node:{} (term {})", self.control.node(), self.term)
    }

    fn state(&self) -> Arc<State> {
        self.control.state()
    }

    fn observations(&self) -> Observations {
        self.control.observations()
    }

    fn catalog(&self) -> &Catalog {
        &self.control.shared.parts.catalog
    }

    async fn changed(&self, at_most: Duration) {
        let mut states = self.control.state_watch();
        states.mark_unchanged();
        let mut observed = self.control.observed();
        observed.mark_unchanged();
        tokio::select! {
            _ = states.changed() => {}
            _ = observed.changed() => {}
            () = tokio::time::sleep(at_most) => {}
        }
    }

    async fn propose(&self, command: Command) -> Result<Outcome, ActorError> {
        if self.control.leading() != Some(self.term) {
            return Err(ActorError::NotLeader);
        }
        let proposal = Proposal {
            request_id: None,
            at: self.control.now(),
            principal: self.principal(),
            command,
            digest: None,
            allowed_after: None,
        };
        self.control.raft().propose(proposal).await.map_err(|error| match error {
            ProposeError::OutcomeUnknown { .. } => ActorError::OutcomeUnknown,
            _ => ActorError::NotLeader,
        })
    }

    async fn perform(
        &self,
        id: ActionId,
        component: &ComponentName,
        via: &InstanceName,
        action: &MemberAction,
        deadline: Duration,
    ) -> ActionOutcome {
        self.control.perform(id, component, via, action, deadline).await
    }

    async fn change_voters(
        &self,
        node: NodeId,
        action: &VoterAction,
        deadline: Duration,
    ) -> Result<Result<String, Refusal>, ActorError> {
        self.control.change_voters(node, action, deadline).await
    }

    async fn settle_node(
        &self,
        node: NodeId,
        action: &NodeAction,
        deadline: Duration,
    ) -> Result<Result<String, Refusal>, ActorError> {
        self.control.settle_node(node, action, deadline).await
    }

    fn waiting(&self, waiting: Waiting) {
        self.control.shared.inventory.set_waiting(waiting);
    }
}
