//! The narrow trait the engine acts through.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use quorate_model::{
    ActionId, ActionOutcome, ComponentName, InstanceName, MemberAction, NodeAction, NodeId,
    Refusal, Term, VoterAction,
};
use quorate_plan::Observations;
use quorate_state::{Command, Outcome, State};

/// The engine could not reach what it acts through.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ActorError {
    /// This master leads no longer; the next leader goes on.
    #[error("this master leads no longer")]
    NotLeader,
    /// The change may or may not have been made; look before doing anything else.
    #[error("the outcome of a proposal is unknown")]
    OutcomeUnknown,
}

/// What the engine may do to the world.
#[async_trait]
pub trait Actor: Send + Sync + 'static {
    /// The term this master leads in.
    fn term(&self) -> Term;

    /// Who acts, for the record: `node:n1`.
    fn principal(&self) -> String;

    /// What was decided, as of now. It should hold everything whose proposal was answered; where
    /// it is behind, steps are begun again and time is lost, nothing else.
    fn state(&self) -> Arc<State>;

    /// What was observed, as of now.
    fn observations(&self) -> Observations;

    /// Judges conditions: the packs' rules.
    fn catalog(&self) -> &quorate_pack::Catalog;

    /// Returns when the state or the observations have changed, or after `at_most`.
    async fn changed(&self, at_most: Duration);

    /// Proposes a command in the name of this leader.
    ///
    /// # Errors
    /// When this master leads no longer, or the outcome is unknown.
    async fn propose(&self, command: Command) -> Result<Outcome, ActorError>;

    /// Has the node manager that carries `via` perform a component action, and waits for its
    /// answer. Doing it twice is doing it once.
    async fn perform(
        &self,
        id: ActionId,
        component: &ComponentName,
        via: &InstanceName,
        action: &MemberAction,
        deadline: Duration,
    ) -> ActionOutcome;

    /// Acts on the masters' own membership or leadership. Doing it twice is doing it once. The
    /// inner error is why it was not done.
    ///
    /// # Errors
    /// When this master leads no longer, as it does not after it has handed leadership over: the
    /// next leader begins the step again and finds it done.
    async fn change_voters(
        &self,
        node: NodeId,
        action: &VoterAction,
        deadline: Duration,
    ) -> Result<Result<String, Refusal>, ActorError>;

    /// Does about a node what remains to be done once it is decided in the state. Doing it twice
    /// is doing it once. The inner error is why it was not done.
    ///
    /// # Errors
    /// When this master leads no longer.
    async fn settle_node(
        &self,
        node: NodeId,
        action: &NodeAction,
        deadline: Duration,
    ) -> Result<Result<String, Refusal>, ActorError>;

    /// Tells people what a step waits for.
    fn waiting(&self, waiting: crate::Waiting);
}
