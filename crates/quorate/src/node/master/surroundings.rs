//! The world around a master: the host, the binaries on its disk, and calls to the other masters.

use std::time::Duration;

use async_trait::async_trait;
use quorate_api::internal::{CallRequest, leader_client::LeaderClient};
use quorate_control::{StagedBinary, Surroundings};
use quorate_model::{BinaryDigest, HostCheckup, NodeId, Refusal};
use tokio::{net::TcpStream, time::timeout};

use super::{Folders, dial};
use crate::node::{binary::Binaries, checkup};

/// How long connecting to a port may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// A master's host, and its way to the others.
pub(super) struct MasterSurroundings {
    pub(super) dialer: dial::NodeDialer,
    pub(super) folders: Folders,
    pub(super) zone: String,
    pub(super) binaries: Binaries,
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

    fn binary(&self, sha256: &BinaryDigest) -> StagedBinary {
        self.binaries.staged(sha256)
    }

    async fn take_binary(
        &self,
        sha256: &BinaryDigest,
        offset: u64,
        size: u64,
        bytes: Vec<u8>,
    ) -> Result<StagedBinary, Refusal> {
        self.binaries.take(sha256, offset, size, bytes).await
    }

    async fn read_binary(
        &self,
        sha256: &BinaryDigest,
        offset: u64,
    ) -> Result<Option<(Vec<u8>, u64)>, Refusal> {
        self.binaries.read(sha256, offset).await
    }
}
