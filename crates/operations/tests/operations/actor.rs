//! One leader of one term, acting on the shared world.

use std::{future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use quorate_model::{
    ActionId, ActionOutcome, ComponentName, InstanceName, MemberAction, NodeAction, NodeId,
    Refusal, Term, VoterAction, codes,
};
use quorate_operations::{Actor, ActorError, Waiting};
use quorate_pack::Catalog;
use quorate_plan::Observations;
use quorate_state::{Command, Outcome, State};
use tokio::task::JoinHandle;

use super::cluster::{Cluster, Fate};

struct Leader {
    cluster: Cluster,
    term: Term,
    catalog: Catalog,
    /// By how much its view of the state is behind.
    lag: Duration,
}

impl Cluster {
    /// Lets a leader of that term run operations until it is aborted.
    pub(crate) fn lead(&self, term: u64) -> JoinHandle<()> {
        self.lead_behind(term, Duration::ZERO)
    }

    /// The same with a view of the state that is behind.
    pub(crate) fn lead_behind(&self, term: u64, lag: Duration) -> JoinHandle<()> {
        let leader = Leader {
            cluster: self.clone(),
            term: Term(term),
            catalog: quorate_pack::fakes::catalog(),
            lag,
        };
        tokio::spawn(quorate_operations::run(Arc::new(leader)))
    }
}

#[async_trait]
impl Actor for Leader {
    fn term(&self) -> Term {
        self.term
    }

    fn principal(&self) -> String {
        format!("node:n{}", self.term)
    }

    fn state(&self) -> Arc<State> {
        self.cluster.state_behind(self.lag)
    }

    fn observations(&self) -> Observations {
        self.cluster.observations()
    }

    fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    async fn changed(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.cluster.changed.notified()).await;
    }

    async fn propose(&self, command: Command) -> Result<Outcome, ActorError> {
        match self.cluster.fate(&command) {
            Fate::Applied => Ok(self.cluster.apply(command)),
            Fate::DiesBefore => {
                self.cluster.died.notify_one();
                pending().await
            }
            Fate::DiesAfter => {
                let _ = self.cluster.apply(command);
                self.cluster.died.notify_one();
                pending().await
            }
            Fate::AnswerLost => {
                let _ = self.cluster.apply(command);
                Err(ActorError::OutcomeUnknown)
            }
            Fate::Lost => Err(ActorError::OutcomeUnknown),
            Fate::Then(next) => {
                let outcome = self.cluster.apply(command);
                self.cluster.apply(*next).unwrap();
                Ok(outcome)
            }
        }
    }

    async fn perform(
        &self,
        _: ActionId,
        _: &ComponentName,
        via: &InstanceName,
        action: &MemberAction,
        _: Duration,
    ) -> ActionOutcome {
        let MemberAction::TransferLeadership { away_from, to } = action;
        let mut inner = self.cluster.lock();
        inner.actions += 1;
        if inner.failing_actions > 0 {
            inner.failing_actions -= 1;
            let refusal = Refusal::new(codes::MEMBER_ACTION_FAILED, format!("`{via}` said no"));
            return ActionOutcome::Failed { refusal };
        }
        inner.transfer(away_from, to);
        ActionOutcome::Done { seen: format!("`{away_from}` does not lead") }
    }

    async fn change_voters(
        &self,
        node: NodeId,
        _: &VoterAction,
        _: Duration,
    ) -> Result<Result<String, Refusal>, ActorError> {
        // As a master that has handed its leadership over: the next one begins the step again.
        if node.0 == self.term.0 {
            return Err(ActorError::NotLeader);
        }
        Ok(Ok(format!("{node} leads no more")))
    }

    async fn settle_node(
        &self,
        _: NodeId,
        _: &NodeAction,
        _: Duration,
    ) -> Result<Result<String, Refusal>, ActorError> {
        Ok(Ok("ordered".to_owned()))
    }

    fn waiting(&self, waiting: Waiting) {
        self.cluster.lock().waiting.push((waiting.step, waiting.on));
    }
}
