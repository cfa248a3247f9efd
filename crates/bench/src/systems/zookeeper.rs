//! Debian's ZooKeeper: its servers as processes, and clients by `zookeeper-client`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use zookeeper_client::{Acls, Client, CreateMode, Error};

use super::{
    Endpoint, Kind, Members, System, Values, Writer, await_writes,
    members::{make_folder, write_file},
    ports,
};
use crate::{
    error::{BenchError, WriteError},
    process::{Process, clean_command, find_program, output_of},
};

/// Debian's jars. The one of ZooKeeper names a class path in its manifest, but no logging backend.
const JARS: [&str; 3] = [
    "/usr/share/java/zookeeper.jar",
    "/usr/share/java/slf4j-log4j12.jar",
    "/usr/share/java/log4j-1.2.jar",
];
const LOGGING: &str = "log4j.rootLogger=WARN, console\n\
    log4j.appender.console=org.apache.log4j.ConsoleAppender\n\
    log4j.appender.console.layout=org.apache.log4j.PatternLayout\n\
    log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c %m%n\n";

/// The program is there; answers its version.
pub(super) fn check() -> Result<String, BenchError> {
    let missing = JARS.into_iter().find(|jar| !Path::new(jar).is_file());
    let missing =
        missing.or_else(|| find_program("java").is_none().then_some("the program `java`"));
    if let Some(missing) = missing {
        return Err(BenchError::NotInstalled {
            system: "ZooKeeper",
            missing: missing.to_owned(),
            hint: "apt-get install zookeeper",
        });
    }
    let mut command = clean_command("dpkg-query");
    command.args(["--show", "--showformat=${Version}", "zookeeper"]);
    Ok(output_of(command).unwrap_or_else(|| "of unknown version".to_owned()))
}

/// A static ensemble without TLS, with the defaults but for the number of clients per address.
pub(super) struct ZooKeeper {
    members: Members,
    folder: PathBuf,
    clients: Vec<SocketAddr>,
    /// The two ports between servers: of the quorum and of the election.
    peers: Vec<(SocketAddr, SocketAddr)>,
}

impl ZooKeeper {
    /// One of so many servers, on 127.0.0.1, 127.0.0.2, ...
    pub(super) fn new(members: usize, folder: &Path) -> Result<Self, BenchError> {
        let mut clients = Vec::new();
        let mut peers = Vec::new();
        for member in 0..members {
            if let [client, quorum, election] = ports::free(ports::loopback(member), 3)?[..] {
                clients.push(client);
                peers.push((quorum, election));
            }
        }
        Ok(Self { members: Members::new(members), folder: folder.into(), clients, peers })
    }

    fn member_folder(&self, member: usize) -> PathBuf {
        self.folder.join(format!("m{member}"))
    }

    fn write_configuration(&self, member: usize) -> Result<(), BenchError> {
        let folder = self.member_folder(member);
        let data = folder.join("data");
        make_folder(&data)?;
        let client = self.clients[member];
        let mut text = format!(
            "tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir={}\nclientPort={}\n\
             clientPortAddress={}\nmaxClientCnxns=0\nadmin.enableServer=false\n\
             4lw.commands.whitelist=srvr\n",
            data.display(),
            client.port(),
            client.ip(),
        );
        if self.peers.len() > 1 {
            for (index, (quorum, election)) in self.peers.iter().enumerate() {
                let line = format!("server.{}={}:{}\n", index + 1, quorum, election.port());
                text.push_str(&line);
            }
        }
        write_file(&data.join("myid"), &format!("{}\n", member + 1))?;
        write_file(&folder.join("log4j.properties"), LOGGING)?;
        write_file(&folder.join("zoo.cfg"), &text)
    }

    fn command(&self, member: usize) -> Command {
        let folder = self.member_folder(member);
        let mut command = clean_command("java");
        command
            .arg("-Xmx1g")
            .args(["-cp", &format!("{}:{}", folder.display(), JARS.join(":"))])
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(folder.join("zoo.cfg"));
        command
    }

    fn launch(&mut self, member: usize) -> Result<(), BenchError> {
        let log = self.folder.join(format!("m{member}.log"));
        self.members.set(member, Process::start(self.command(member), &log)?);
        Ok(())
    }
}

#[async_trait]
impl System for ZooKeeper {
    fn kind(&self) -> Kind {
        Kind::Zookeeper
    }

    async fn start(&mut self) -> Result<(), BenchError> {
        for member in 0..self.members.len() {
            self.write_configuration(member)?;
        }
        for member in 0..self.members.len() {
            self.launch(member)?;
        }
        await_writes(self).await
    }

    async fn leader(&self) -> Result<usize, WriteError> {
        for member in (0..self.members.len()).filter(|it| self.members.is_running(*it)) {
            if mode(self.clients[member]).await?.is_some_and(|mode| mode != "follower") {
                return Ok(member);
            }
        }
        Err(WriteError("no server leads".to_owned()))
    }

    async fn restart(&mut self, member: usize) -> Result<(), BenchError> {
        self.launch(member)?;
        await_writes(self).await
    }

    fn endpoint(&self, member: usize) -> Arc<dyn Endpoint> {
        Arc::new(ZooKeeperEndpoint(self.clients[member].to_string()))
    }

    fn members(&self) -> &Members {
        &self.members
    }

    fn members_mut(&mut self) -> &mut Members {
        &mut self.members
    }
}

/// `leader`, `follower` or `standalone`, by the four-letter word that is on by default.
async fn mode(address: SocketAddr) -> Result<Option<String>, WriteError> {
    let mut stream = TcpStream::connect(address).await.map_err(WriteError::of)?;
    stream.write_all(b"srvr").await.map_err(WriteError::of)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.map_err(WriteError::of)?;
    Ok(text.lines().find_map(|line| line.strip_prefix("Mode: ")).map(ToOwned::to_owned))
}

struct ZooKeeperEndpoint(String);

#[async_trait]
impl Endpoint for ZooKeeperEndpoint {
    async fn writer(&self) -> Result<Box<dyn Writer>, WriteError> {
        // The client's own reconnection waits 100 ms and longer between attempts, which would be
        // measured in place of the servers: one attempt, and who wants more asks again.
        let client = Client::connector()
            .with_session_timeout(Duration::from_secs(10))
            .with_fail_eagerly()
            .connect(&self.0)
            .await
            .map_err(WriteError::of)?;
        Ok(Box::new(ZooKeeperWriter { client, values: Values::default() }))
    }
}

struct ZooKeeperWriter {
    client: Client,
    values: Values,
}

#[async_trait]
impl Writer for ZooKeeperWriter {
    async fn write(&mut self, key: u64) -> Result<(), WriteError> {
        let path = format!("/bench-k{key}");
        self.client
            .set_data(&path, self.values.next(), None)
            .await
            .map(drop)
            .map_err(WriteError::of)
    }

    async fn create(&mut self, key: u64) -> Result<(), WriteError> {
        let path = format!("/bench-k{key}");
        let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
        match self.client.create(&path, self.values.next(), &options).await {
            Ok(_) => Ok(()),
            Err(Error::NodeExists) => self.write(key).await,
            Err(error) => Err(WriteError::of(error)),
        }
    }
}
