//! Quorate itself: built for release, its masters as processes, clients of its settings.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::try_join_all;
use quorate_model::NodeId;
use serde_json::Value;

use super::{
    Endpoint, Kind, Members, START_DEADLINE, System, VALUE_BYTES, Values, Writer, await_writes,
    http::{HttpConnection, request},
    members::make_folder,
    ports, put_digits,
};
use crate::{
    error::{BenchError, WriteError},
    process::{Process, clean_command, output_of},
};

const NAME: &str = "Quorate";
const POLL: Duration = Duration::from_millis(10);

/// Builds the program beside this one, as this one was built, and answers its place.
pub(crate) fn build() -> Result<PathBuf, BenchError> {
    let program = "cargo build --package quorate".to_owned();
    let start = |source| BenchError::Start { program: program.clone(), source };
    let own = std::env::current_exe().map_err(start)?;
    let folder = own.parent().unwrap_or(Path::new("."));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "quorate"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.status().map_err(start)?;
    if !status.success() {
        return Err(BenchError::Command { program, detail: status.to_string() });
    }
    Ok(folder.join("quorate"))
}

/// The program is there; answers its version.
pub(super) fn check(program: &Path) -> Result<String, BenchError> {
    if !program.is_file() {
        return Err(BenchError::NotInstalled {
            system: NAME,
            missing: program.display().to_string(),
            hint: "cargo build --release --package quorate",
        });
    }
    let mut command = clean_command(program);
    command.arg("--version");
    let text = output_of(command).unwrap_or_default();
    let version = text.lines().next().and_then(|line| line.split_ascii_whitespace().last());
    Ok(version.unwrap_or(env!("CARGO_PKG_VERSION")).to_owned())
}

/// Masters with mutual TLS between them and encrypted logs, as everywhere; there is no other way.
pub(crate) struct Quorate {
    members: Members,
    folder: PathBuf,
    program: PathBuf,
    admin: Vec<SocketAddr>,
    internal: Vec<SocketAddr>,
    root_key: String,
    token: String,
}

impl Quorate {
    /// A cluster of so many masters on 127.0.0.1.
    pub(crate) fn new(members: usize, folder: &Path, program: &Path) -> Result<Self, BenchError> {
        let mut admin = ports::free(Ipv4Addr::LOCALHOST, 2 * members)?;
        let internal = admin.split_off(members);
        Ok(Self {
            members: Members::new(members),
            folder: folder.into(),
            program: program.into(),
            admin,
            internal,
            root_key: String::new(),
            token: String::new(),
        })
    }

    fn root(&self, member: usize) -> PathBuf {
        self.folder.join(format!("m{}", member + 1))
    }

    fn command(&self) -> Command {
        let mut command = clean_command(&self.program);
        if !self.root_key.is_empty() {
            command.env("QUORATE_ROOT_KEY", &self.root_key);
        }
        command
    }

    /// Starts a member that has its identity.
    pub(crate) fn launch(&mut self, member: usize) -> Result<(), BenchError> {
        let mut command = self.command();
        command.args(["run", "--root"]).arg(self.root(member));
        let log = self.folder.join(format!("m{}.log", member + 1));
        self.members.set(member, Process::start(command, &log)?);
        Ok(())
    }

    /// Runs a short command of the program to its end; answers what it printed.
    async fn run(&self, arguments: &[&str]) -> Result<String, BenchError> {
        let name = format!("quorate {}", arguments.first().unwrap_or(&""));
        let mut command = tokio::process::Command::from(self.command());
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(START_DEADLINE, command.output()).await;
        let output = output.map_err(|_| BenchError::Waited {
            system: NAME,
            what: "a command to end",
            waited: START_DEADLINE,
            last: name.clone(),
        })?;
        let output =
            output.map_err(|source| BenchError::Start { program: name.clone(), source })?;
        if !output.status.success() {
            let detail = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(BenchError::Command { program: name, detail });
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// `init`, or `join` with a token, for this member.
    async fn enrol(&self, member: usize, words: &[&str]) -> Result<(), BenchError> {
        let (root, name) = (self.root(member), format!("m{}", member + 1));
        let (root, admin) = (root.to_string_lossy(), self.admin[member].to_string());
        let internal = self.internal[member].to_string();
        let place = ["--root", &root, "--name", &name];
        let addresses = ["--admin-addr", &admin, "--internal-addr", &internal];
        self.run(&[words, &place[..], &addresses[..]].concat()).await.map(drop)
    }

    /// One REST call to a member; an error unless it is answered well.
    async fn call(
        &self,
        member: usize,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<Value, WriteError> {
        let token = (!self.token.is_empty()).then_some(self.token.as_str());
        let request = request(method, path, token, body);
        let mut connection = HttpConnection::open(self.admin[member]).await?;
        let (status, body) = connection.exchange(&request).await?;
        if !(200..300).contains(&status) {
            let text = String::from_utf8_lossy(body);
            return Err(WriteError(format!("{method} {path}: {status} {text}")));
        }
        serde_json::from_slice(body).map_err(WriteError::of)
    }

    /// The field of the answer of the first member, once it answers well.
    async fn await_field(
        &mut self,
        path: &str,
        body: &str,
        field: &str,
    ) -> Result<String, BenchError> {
        let until = tokio::time::Instant::now() + START_DEADLINE;
        loop {
            let last = match self.call(0, "POST", path, body).await {
                Ok(answer) => match answer.get(field).and_then(Value::as_str) {
                    Some(text) => return Ok(text.to_owned()),
                    None => format!("{path} answers without `{field}`"),
                },
                Err(error) => error.to_string(),
            };
            self.members.check(NAME)?;
            if tokio::time::Instant::now() >= until {
                let (what, waited) = ("the first master", START_DEADLINE);
                return Err(BenchError::Waited { system: NAME, what, waited, last });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Lets one more master join, with a new token; it does not run yet.
    pub(crate) async fn join_another(&mut self) -> Result<usize, BenchError> {
        let member = self.members.len();
        let mut ports = ports::free(Ipv4Addr::LOCALHOST, 2)?;
        self.internal.extend(ports.pop());
        self.admin.extend(ports.pop());
        self.members.grow();
        let token = self
            .await_field("/admin/api/tokens", r#"{"role":"master","autoApprove":true}"#, "token")
            .await?;
        self.enrol(member, &["join", &token]).await?;
        Ok(member)
    }

    /// A join token.
    pub(crate) async fn token(&self, role: &str) -> Result<String, WriteError> {
        let body = format!(r#"{{"role":"{role}","autoApprove":true}}"#);
        let answer = self.call(0, "POST", "/admin/api/tokens", &body).await?;
        let token = answer["token"].as_str().map(str::to_owned);
        token.ok_or_else(|| WriteError("the answer holds no token".to_owned()))
    }

    /// Where a member's internal port is.
    pub(crate) fn internal_address(&self, member: usize) -> SocketAddr {
        self.internal[member]
    }

    /// The node id of a member.
    pub(crate) async fn node_id(&self, member: usize) -> Result<NodeId, WriteError> {
        let name = format!("m{}", member + 1);
        let masters = self.masters().await?;
        let found = masters.iter().find(|master| master["name"] == name.as_str());
        let id = found.and_then(|master| master["id"].as_str()).unwrap_or_default();
        id.parse().map_err(|_| WriteError(format!("{name} has no id: {id}")))
    }

    /// How many node managers the leader has heard of lately.
    pub(crate) async fn ready_node_managers(&self) -> Result<usize, WriteError> {
        let managers = self.call(0, "GET", "/admin/api/nodes/node-managers", "").await?;
        let managers = managers.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(managers.iter().filter(|manager| manager["ready"] == true).count())
    }

    /// Writes so many settings of this size.
    pub(crate) async fn fill(&self, values: u64, bytes: usize) -> Result<(), BenchError> {
        const CLIENTS: u64 = 16;
        let value = "v".repeat(bytes);
        let clients = (0..CLIENTS).map(|client| {
            let value = &value;
            async move {
                let mut connection = HttpConnection::open(self.admin[0]).await?;
                for number in (client..values).step_by(usize::try_from(CLIENTS).unwrap_or(1)) {
                    let path = format!("/admin/api/settings/large/{number}");
                    let body = format!(r#"{{"value":"{value}"}}"#);
                    let request = request("PUT", &path, Some(&self.token), &body);
                    let (status, answer) = connection.exchange(&request).await?;
                    if status != 200 {
                        let text = String::from_utf8_lossy(answer);
                        return Err(WriteError(format!("PUT {path}: {status} {text}")));
                    }
                }
                Ok(())
            }
        });
        let filled = try_join_all(clients).await;
        filled.map(drop).map_err(|source| BenchError::Client { system: NAME, source })
    }

    /// Every master as the leader sees it.
    pub(crate) async fn masters(&self) -> Result<Vec<Value>, WriteError> {
        let running = (0..self.members.len()).filter(|member| self.members.is_running(*member));
        let mut last = WriteError("no master runs".to_owned());
        for member in running {
            match self.call(member, "GET", "/admin/api/nodes/masters", "").await {
                Ok(Value::Array(masters)) => return Ok(masters),
                Ok(other) => last = WriteError(format!("not a list of masters: {other}")),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The term that the masters are in, as the first one that answers knows it.
    pub(crate) async fn term(&self) -> Result<u64, WriteError> {
        let running = (0..self.members.len()).filter(|member| self.members.is_running(*member));
        let mut last = WriteError("no master runs".to_owned());
        for member in running {
            match self.call(member, "GET", "/admin/api/status", "").await {
                Ok(status) => match status["term"].as_u64() {
                    Some(term) => return Ok(term),
                    None => last = WriteError(format!("a status without a term: {status}")),
                },
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Waits until all are ready voters and exactly one leads.
    async fn await_voters(&mut self) -> Result<(), BenchError> {
        let until = tokio::time::Instant::now() + START_DEADLINE;
        loop {
            let last = match self.masters().await {
                Ok(masters) if all_voters(&masters, self.members.len()) => return Ok(()),
                Ok(masters) => Value::Array(masters).to_string(),
                Err(error) => error.to_string(),
            };
            self.members.check(NAME)?;
            if tokio::time::Instant::now() >= until {
                let (what, waited) = ("ready voters and one leader", START_DEADLINE);
                return Err(BenchError::Waited { system: NAME, what, waited, last });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

fn all_voters(masters: &[Value], number: usize) -> bool {
    let voters =
        masters.iter().filter(|master| master["role"] == "voter" && master["ready"] == true);
    let leaders = masters.iter().filter(|master| master["isLeader"] == true);
    voters.count() == number && leaders.count() == 1
}

#[async_trait]
impl System for Quorate {
    fn kind(&self) -> Kind {
        Kind::Quorate
    }

    async fn start(&mut self) -> Result<(), BenchError> {
        make_folder(&self.folder)?;
        self.root_key = self.run(&["keygen"]).await?;
        self.enrol(0, &["init", "--dev-login"]).await?;
        self.launch(0)?;
        let login = r#"{"username":"admin","password":"admin"}"#;
        self.token = self.await_field("/admin/api/auth/login", login, "accessToken").await?;
        for member in 1..self.members.len() {
            let role = r#"{"role":"master","autoApprove":true}"#;
            let token = self.await_field("/admin/api/tokens", role, "token").await?;
            self.enrol(member, &["join", &token]).await?;
            self.launch(member)?;
        }
        self.await_voters().await?;
        await_writes(self).await
    }

    async fn leader(&self) -> Result<usize, WriteError> {
        let masters = self.masters().await?;
        let leader = masters.iter().find(|master| master["isLeader"] == true);
        let name = leader.and_then(|leader| leader["name"].as_str()).unwrap_or_default();
        (0..self.members.len())
            .find(|member| format!("m{}", member + 1) == name)
            .ok_or_else(|| WriteError("no master leads".to_owned()))
    }

    async fn restart(&mut self, member: usize) -> Result<(), BenchError> {
        self.launch(member)?;
        self.await_voters().await?;
        await_writes(self).await
    }

    async fn restart_itself(&mut self) -> Option<Result<(), BenchError>> {
        let root = self.root(0);
        let command = ["node", "restart", "--masters", "--yes", "--root", &root.to_string_lossy()];
        Some(self.run(&command).await.map(drop))
    }

    fn endpoint(&self, member: usize) -> Arc<dyn Endpoint> {
        Arc::new(QuorateEndpoint { address: self.admin[member], token: self.token.clone() })
    }

    fn members(&self) -> &Members {
        &self.members
    }

    fn members_mut(&mut self) -> &mut Members {
        &mut self.members
    }
}

struct QuorateEndpoint {
    address: SocketAddr,
    token: String,
}

#[async_trait]
impl Endpoint for QuorateEndpoint {
    async fn writer(&self) -> Result<Box<dyn Writer>, WriteError> {
        let connection = HttpConnection::open(self.address).await?;
        let value = "v".repeat(VALUE_BYTES);
        let template = request(
            "PUT",
            &format!("/admin/api/settings/bench/k{KEY_PLACE}"),
            Some(&self.token),
            &format!(r#"{{"value":"{value}"}}"#),
        );
        let place = |text: &str| {
            let found = template.windows(text.len()).position(|it| it == text.as_bytes());
            found.ok_or_else(|| WriteError(format!("the request does not hold {text}")))
        };
        let (key_at, value_at) = (place(&format!("k{KEY_PLACE}"))? + 1, place(&value)?);
        let values = Values::default();
        Ok(Box::new(QuorateWriter { connection, template, key_at, value_at, values }))
    }
}

/// Stands in the request where the key's digits go.
const KEY_PLACE: &str = "00000";

struct QuorateWriter {
    connection: HttpConnection,
    template: Vec<u8>,
    key_at: usize,
    value_at: usize,
    values: Values,
}

#[async_trait]
impl Writer for QuorateWriter {
    async fn write(&mut self, key: u64) -> Result<(), WriteError> {
        put_digits(&mut self.template[self.key_at..][..KEY_PLACE.len()], key);
        self.template[self.value_at..][..VALUE_BYTES].copy_from_slice(self.values.next());
        match self.connection.exchange(&self.template).await? {
            (200..300, _) => Ok(()),
            (status, body) => {
                Err(WriteError(format!("{status} {}", String::from_utf8_lossy(body))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cluster_is_whole_when_all_vote_and_one_leads() {
        let master =
            |leads: bool, role: &str| json!({"ready": true, "isLeader": leads, "role": role});
        let whole = [master(true, "voter"), master(false, "voter"), master(false, "voter")];
        assert!(all_voters(&whole, 3));
        assert!(!all_voters(&whole[..2], 3), "one is missing");
        assert!(!all_voters(&whole[1..], 2), "none leads");
        assert!(!all_voters(&[master(true, "voter"), master(false, "learner")], 2));
    }
}
