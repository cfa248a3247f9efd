//! `/reset`: the reset of the whole cluster.

use quorate_api::rest::{OperationView, PlanView, ResetBody};
use reqwest::Method;

use crate::{
    Client, ClientError,
    call::{Call, Repeat},
};

impl Client {
    /// What a reset would do and lose, and the hash that confirms it.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn plan_reset(&self) -> Result<PlanView, ClientError> {
        self.plan(Method::POST, &["reset"], Some(&ResetBody::default())).await
    }

    /// Resets the cluster.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn reset(&self, how: &ResetBody) -> Result<OperationView, ClientError> {
        let call = Call::change(Method::POST, &["reset"])?.repeat(Repeat::Forgotten).body(how)?;
        self.json(&call).await
    }
}
