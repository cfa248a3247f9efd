//! `/masters`: votes, priorities and policy.

use quorate_api::rest::{MasterPolicyBody, MasterPolicyView, PriorityBody, VotesBody};
use reqwest::Method;

use crate::{Client, ClientError, call::Call};

impl Client {
    /// How autopilot and the choice of the leader behave.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn master_policy(&self) -> Result<MasterPolicyView, ClientError> {
        self.json(&Call::get(&["masters", "policy"])?).await
    }

    /// Changes what is given and leaves the rest.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn master_policy_set(
        &self,
        body: &MasterPolicyBody,
    ) -> Result<MasterPolicyView, ClientError> {
        self.json(&Call::change(Method::PUT, &["masters", "policy"])?.body(body)?).await
    }

    /// Lets masters vote or keeps them as learners.
    ///
    /// # Errors
    /// [`ClientError::Api`] when the voters would be even in number or could not act.
    pub async fn master_votes(&self, body: &VotesBody) -> Result<(), ClientError> {
        let call = Call::change(Method::PUT, &["masters", "votes"])?.body(body)?;
        self.text(&call).await.map(drop)
    }

    /// Prefers a master as leader.
    ///
    /// # Errors
    /// [`ClientError::Api`] with `NOT_FOUND` when there is no such node.
    pub async fn node_priority(&self, node: &str, priority: u32) -> Result<(), ClientError> {
        let call = Call::change(Method::PUT, &["nodes", node, "priority"])?
            .body(&PriorityBody { priority })?;
        self.text(&call).await.map(drop)
    }
}
