//! Debian's etcd: its members as processes, and a client of its key-value API.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use async_trait::async_trait;
use tonic::transport::Channel;

use super::{
    Endpoint, Kind, Members, System, Values, Writer, await_writes, members::make_folder, ports,
};
use crate::{
    error::{BenchError, WriteError},
    process::{Process, clean_command, find_program, output_of},
};

mod api {
    #![expect(unreachable_pub, unused_qualifications, reason = "generated from the proto file")]
    tonic::include_proto!("etcdserverpb");
}

/// The program is there; answers its version.
pub(super) fn check() -> Result<String, BenchError> {
    let Some(program) = find_program("etcd") else {
        return Err(BenchError::NotInstalled {
            system: "etcd",
            missing: "the program `etcd`".to_owned(),
            hint: "apt-get install etcd-server",
        });
    };
    let mut command = clean_command(program);
    command.arg("--version");
    let text = output_of(command).unwrap_or_default();
    let version = text.lines().next().and_then(|line| line.rsplit(' ').next());
    Ok(version.unwrap_or("of unknown version").to_owned())
}

/// A static cluster without TLS, with the defaults but for the size at which it refuses writes.
pub(super) struct Etcd {
    members: Members,
    folder: PathBuf,
    clients: Vec<SocketAddr>,
    peers: Vec<SocketAddr>,
}

impl Etcd {
    /// One of so many members, on 127.0.0.1, 127.0.0.2, ...
    pub(super) fn new(members: usize, folder: &Path) -> Result<Self, BenchError> {
        let mut clients = Vec::new();
        let mut peers = Vec::new();
        for member in 0..members {
            let mut found = ports::free(ports::loopback(member), 2)?.into_iter();
            clients.extend(found.next());
            peers.extend(found.next());
        }
        Ok(Self { members: Members::new(members), folder: folder.into(), clients, peers })
    }

    fn command(&self, member: usize) -> Command {
        let url = |address: SocketAddr| format!("http://{address}");
        let peers: Vec<String> = (0..)
            .zip(&self.peers)
            .map(|(member, peer): (usize, _)| format!("m{member}={}", url(*peer)))
            .collect();
        let (client, peer) = (url(self.clients[member]), url(self.peers[member]));
        let mut command = clean_command("etcd");
        command
            .args(["--name", &format!("m{member}")])
            .arg("--data-dir")
            .arg(self.folder.join(format!("m{member}")))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &peers.join(",")])
            .args(["--logger", "zap", "--log-outputs", "stderr", "--log-level", "warn"])
            // A long run must not end at the default of 2 GiB.
            .args(["--quota-backend-bytes", "8589934592"]);
        command
    }

    fn launch(&mut self, member: usize) -> Result<(), BenchError> {
        let log = self.folder.join(format!("m{member}.log"));
        self.members.set(member, Process::start(self.command(member), &log)?);
        Ok(())
    }
}

#[async_trait]
impl System for Etcd {
    fn kind(&self) -> Kind {
        Kind::Etcd
    }

    async fn start(&mut self) -> Result<(), BenchError> {
        make_folder(&self.folder)?;
        for member in 0..self.members.len() {
            self.launch(member)?;
        }
        await_writes(self).await
    }

    async fn leader(&self) -> Result<usize, WriteError> {
        for member in (0..self.members.len()).filter(|it| self.members.is_running(*it)) {
            let channel = connect(self.clients[member]).await?;
            let mut client = api::maintenance_client::MaintenanceClient::new(channel);
            let status = client.status(api::StatusRequest {}).await.map_err(WriteError::of)?;
            let status = status.into_inner();
            if status.leader != 0 && status.header.is_some_and(|it| it.member_id == status.leader) {
                return Ok(member);
            }
        }
        Err(WriteError("no member leads".to_owned()))
    }

    async fn restart(&mut self, member: usize) -> Result<(), BenchError> {
        self.launch(member)?;
        await_writes(self).await
    }

    fn endpoint(&self, member: usize) -> Arc<dyn Endpoint> {
        Arc::new(EtcdEndpoint(self.clients[member]))
    }

    fn members(&self) -> &Members {
        &self.members
    }

    fn members_mut(&mut self) -> &mut Members {
        &mut self.members
    }
}

struct EtcdEndpoint(SocketAddr);

#[async_trait]
impl Endpoint for EtcdEndpoint {
    async fn writer(&self) -> Result<Box<dyn Writer>, WriteError> {
        let client = api::kv_client::KvClient::new(connect(self.0).await?);
        Ok(Box::new(EtcdWriter { client, values: Values::default() }))
    }
}

async fn connect(address: SocketAddr) -> Result<Channel, WriteError> {
    let endpoint =
        tonic::transport::Endpoint::new(format!("http://{address}")).map_err(WriteError::of)?;
    endpoint.tcp_nodelay(true).connect().await.map_err(WriteError::of)
}

struct EtcdWriter {
    client: api::kv_client::KvClient<Channel>,
    values: Values,
}

#[async_trait]
impl Writer for EtcdWriter {
    async fn write(&mut self, key: u64) -> Result<(), WriteError> {
        let request = api::PutRequest {
            key: format!("bench/k{key}").into_bytes(),
            value: self.values.next().to_vec(),
        };
        self.client.put(request).await.map(drop).map_err(WriteError::of)
    }
}
