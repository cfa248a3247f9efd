//! The world around a master, for its doctor: the host, and calls to the other masters.

use std::time::Duration;

use async_trait::async_trait;
use quorate_api::internal::{CallRequest, leader_client::LeaderClient};
use quorate_control::Surroundings;
use quorate_model::{HostCheckup, NodeId};
use tokio::{net::TcpStream, time::timeout};

use super::{Folders, dial};
use crate::node::checkup;

/// How long connecting to a port may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// A master's host, and its way to the others.
pub(super) struct MasterSurroundings {
    pub(super) dialer: dial::NodeDialer,
    pub(super) folders: Folders,
    pub(super) zone: String,
}

#[async_trait]
impl Surroundings for MasterSurroundings {
    async fn host(&self, probe: bool) -> HostCheckup {
        let folders = self.folders.clone();
        let look = move || checkup::host(&folders, probe);
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    fn zone(&self) -> String {
        self.zone.clone()
    }

    /// Dials anew each time: a connection that is open already says nothing of a firewall.
    async fn ask(&self, node: NodeId, addr: &str, path: &str) -> Result<Vec<u8>, String> {
        let channel = self.dialer.connect(node, addr).await?;
        let request = CallRequest {
            method: "GET".to_owned(),
            uri: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            local: true,
        };
        let answer = LeaderClient::new(channel)
            .call(request)
            .await
            .map_err(|status| status.message().to_owned())?
            .into_inner();
        if answer.status == 200 {
            Ok(answer.body)
        } else {
            Err(format!("it answered HTTP {}", answer.status))
        }
    }

    async fn connects(&self, addr: &str) -> Result<(), String> {
        match timeout(CONNECT_DEADLINE, TcpStream::connect(addr)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", CONNECT_DEADLINE.as_secs())),
        }
    }
}
