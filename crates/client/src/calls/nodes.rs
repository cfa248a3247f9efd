//! `/nodes`: masters and node managers.

use quorate_api::rest::{MasterView, NodeManagerView};

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
}
