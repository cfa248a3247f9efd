//! `/components`: looking, creating, restarting, removing.

use quorate_api::rest::{ComponentSpecBody, ComponentView, OperationView, PlanView, RestartBody};
use reqwest::Method;
use serde::Serialize;

use crate::{
    Client, ClientError,
    call::{Call, Repeat},
};

/// What the masters answer to a change that takes its time: the operation that makes it.
pub type Submitted = OperationView;

impl Client {
    /// All components.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn components(&self) -> Result<Vec<ComponentView>, ClientError> {
        self.json(&Call::get(&["components"])?).await
    }

    /// One component.
    ///
    /// # Errors
    /// [`ClientError::Api`] with `NOT_FOUND` when there is none of that name.
    pub async fn component(&self, name: &str) -> Result<ComponentView, ClientError> {
        self.json(&Call::get(&["components", name])?).await
    }

    /// What creating a component would do.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn plan_component_create(
        &self,
        spec: &ComponentSpecBody,
    ) -> Result<PlanView, ClientError> {
        self.plan(Method::POST, &["components"], Some(spec)).await
    }

    /// Creates a component.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn component_create(
        &self,
        spec: &ComponentSpecBody,
    ) -> Result<Submitted, ClientError> {
        self.json(&Call::change(Method::POST, &["components"])?.body(spec)?).await
    }

    /// What restarting a component would do.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn plan_component_restart(
        &self,
        name: &str,
        how: &RestartBody,
    ) -> Result<PlanView, ClientError> {
        self.plan(Method::POST, &["components", name, "restart"], Some(how)).await
    }

    /// Restarts a component member by member.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn component_restart(
        &self,
        name: &str,
        how: &RestartBody,
    ) -> Result<Submitted, ClientError> {
        let call = Call::change(Method::POST, &["components", name, "restart"])?.body(how)?;
        self.json(&call).await
    }

    /// What removing a component would do.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn plan_component_remove(&self, name: &str) -> Result<PlanView, ClientError> {
        self.plan::<()>(Method::DELETE, &["components", name], None).await
    }

    /// Removes a component; its data folders stay.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn component_remove(&self, name: &str) -> Result<Submitted, ClientError> {
        self.json(&Call::change(Method::DELETE, &["components", name])?).await
    }

    /// The end of an instance's log, at most `max_bytes`; the masters choose when `None`.
    ///
    /// # Errors
    /// [`ClientError::Api`] with `NOT_FOUND`, or `NODE_SILENT` when its node does not answer.
    pub async fn instance_log(
        &self,
        component: &str,
        instance: &str,
        max_bytes: Option<u64>,
    ) -> Result<String, ClientError> {
        let mut call = Call::get(&["components", component, "instances", instance, "log"])?;
        if let Some(max_bytes) = max_bytes {
            call = call.query("maxBytes", max_bytes.to_string());
        }
        self.text(&call).await
    }

    pub(super) async fn plan<T: Serialize>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&T>,
    ) -> Result<PlanView, ClientError> {
        let mut call = Call::change(method, path)?.repeat(Repeat::Read).query("plan", "true");
        if let Some(body) = body {
            call = call.body(body)?;
        }
        self.json(&call).await
    }
}
