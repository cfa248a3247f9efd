//! `/nodes`: masters and node managers: looking, restarting, removing, replacing, who leads.

use quorate_api::rest::{
    MasterView, NodeManagerView, OperationView, PlanView, RemoveNodeBody, ReplaceNodeBody,
    RestartNodesBody, TransferLeaderBody, UpgradeNodesBody,
};
use reqwest::Method;

use crate::{Client, ClientError, call::Call};

impl Client {
    /// The masters.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn masters(&self) -> Result<Vec<MasterView>, ClientError> {
        self.json(&Call::get(&["nodes", "masters"])?).await
    }

    /// The node managers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn node_managers(&self) -> Result<Vec<NodeManagerView>, ClientError> {
        self.json(&Call::get(&["nodes", "node-managers"])?).await
    }

    /// What restarting nodes would do.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn plan_node_restart(&self, how: &RestartNodesBody) -> Result<PlanView, ClientError> {
        self.plan(Method::POST, &["nodes", "restart"], Some(how)).await
    }

    /// Restarts the processes of nodes one by one.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn node_restart(&self, how: &RestartNodesBody) -> Result<OperationView, ClientError> {
        let call = Call::change(Method::POST, &["nodes", "restart"])?.body(how)?;
        self.json(&call).await
    }

    /// What upgrading nodes would do.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn plan_node_upgrade(&self, how: &UpgradeNodesBody) -> Result<PlanView, ClientError> {
        self.plan(Method::POST, &["nodes", "upgrade"], Some(how)).await
    }

    /// Replaces the binary that nodes run, one by one.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn node_upgrade(&self, how: &UpgradeNodesBody) -> Result<OperationView, ClientError> {
        let call = Call::change(Method::POST, &["nodes", "upgrade"])?.body(how)?;
        self.json(&call).await
    }

    /// What removing a node would do.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn plan_node_remove(
        &self,
        node: &str,
        how: &RemoveNodeBody,
    ) -> Result<PlanView, ClientError> {
        self.plan(Method::POST, &["nodes", node, "remove"], Some(how)).await
    }

    /// Takes a node out of the cluster for good.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn node_remove(
        &self,
        node: &str,
        how: &RemoveNodeBody,
    ) -> Result<OperationView, ClientError> {
        let call = Call::change(Method::POST, &["nodes", node, "remove"])?.body(how)?;
        self.json(&call).await
    }

    /// What replacing a master would do.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn plan_node_replace(
        &self,
        node: &str,
        how: &ReplaceNodeBody,
    ) -> Result<PlanView, ClientError> {
        self.plan(Method::POST, &["nodes", node, "replace"], Some(how)).await
    }

    /// Puts a master in another's place.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn node_replace(
        &self,
        node: &str,
        how: &ReplaceNodeBody,
    ) -> Result<OperationView, ClientError> {
        let call = Call::change(Method::POST, &["nodes", node, "replace"])?.body(how)?;
        self.json(&call).await
    }

    /// What moving the leadership would do.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn plan_transfer_leader(
        &self,
        how: &TransferLeaderBody,
    ) -> Result<PlanView, ClientError> {
        self.plan(Method::POST, &["nodes", "masters", "transfer-leader"], Some(how)).await
    }

    /// Moves the masters' leadership.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the refusals of preflight.
    pub async fn transfer_leader(
        &self,
        how: &TransferLeaderBody,
    ) -> Result<OperationView, ClientError> {
        let call =
            Call::change(Method::POST, &["nodes", "masters", "transfer-leader"])?.body(how)?;
        self.json(&call).await
    }
}
