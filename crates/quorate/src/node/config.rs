//! The node's configuration file, `quorate.toml`: written by `init` and `join`, read by `run`.

use std::path::Path;

use quorate_model::{NodeName, Refusal, codes};
use serde::{Deserialize, Serialize};

use super::os::refuse_file;

/// The ports of a master, and how others reach this node.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct AddressArgs {
    /// The node's name [default: the host's name]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Where REST and console listen [default: 0.0.0.0:8080]
    #[arg(long, value_name = "HOST:PORT", env = "QUORATE_ADMIN_ADDR")]
    pub(crate) admin_addr: Option<String>,
    /// Where other nodes connect, by mutual TLS [default: 0.0.0.0:9901]
    #[arg(long, value_name = "HOST:PORT", env = "QUORATE_INTERNAL_ADDR")]
    pub(crate) internal_addr: Option<String>,
    /// The host or IP address others reach this node at, with the internal port if that differs
    #[arg(long, value_name = "HOST[:PORT]", env = "QUORATE_ADVERTISE")]
    pub(crate) advertise: Option<String>,
    /// What fails together with this host, such as a rack or a room; `quorate doctor` warns when
    /// one zone holds too many masters
    #[arg(long, env = "QUORATE_ZONE")]
    pub(crate) zone: Option<String>,
}

impl AddressArgs {
    /// Where a master listens with these flags: the admin address, the internal one.
    fn listened(&self) -> (String, String) {
        let or =
            |addr: &Option<String>, usual: &str| addr.clone().unwrap_or_else(|| usual.to_owned());
        (or(&self.admin_addr, "0.0.0.0:8080"), or(&self.internal_addr, "0.0.0.0:9901"))
    }

    /// Refuses addresses that no master could listen on, before anybody is asked for anything.
    ///
    /// # Errors
    /// When one of them is malformed, or the two are one.
    pub(crate) fn refuse_unusable(&self) -> Result<(), Refusal> {
        let (admin, internal) = self.listened();
        refuse_one_address_for_both(&admin, &internal)
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NodeRole {
    /// A master only.
    Master,
    /// A node manager only.
    NodeManager,
    /// Both in one process.
    Both,
}

impl NodeRole {
    /// Whether it is a master.
    pub(crate) const fn is_master(self) -> bool {
        matches!(self, Self::Master | Self::Both)
    }

    /// Whether it is a node manager.
    pub(crate) const fn is_node_manager(self) -> bool {
        matches!(self, Self::NodeManager | Self::Both)
    }

    /// The role as people read it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::NodeManager => "node manager",
            Self::Both => "master and node manager",
        }
    }

    /// The role as people write it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "master" => Some(Self::Master),
            "node-manager" => Some(Self::NodeManager),
            "both" => Some(Self::Both),
            _ => None,
        }
    }
}

/// The content of `quorate.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeConfig {
    /// The node.
    pub(crate) node: NodeSection,
    /// How a master behaves.
    #[serde(default)]
    pub(crate) master: MasterSection,
}

/// `[node]`: who this node is and where it listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeSection {
    /// The node's name.
    pub(crate) name: NodeName,
    /// What it is.
    pub(crate) role: NodeRole,
    /// The host or IP address others reach it at.
    pub(crate) advertise: String,
    /// Where REST and console listen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) admin_addr: String,
    /// Where other nodes connect.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) internal_addr: String,
    /// The internal port others connect to, when it differs from the one listened on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) advertise_port: Option<u16>,
    /// What fails together with this host; empty when that was never said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) zone: String,
}

/// `[master]`: how a master behaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MasterSection {
    /// How long the cluster may take to become ready after a start, in milliseconds.
    pub(crate) readiness_timeout_ms: u64,
    /// How often the leader sends heartbeats, in milliseconds.
    pub(crate) heartbeat_ms: Option<u64>,
    /// The shortest time without a leader's sign of life before an election, in milliseconds.
    pub(crate) election_min_ms: Option<u64>,
    /// The longest such time, in milliseconds.
    pub(crate) election_max_ms: Option<u64>,
    /// A snapshot is made after this many entries.
    pub(crate) snapshot_after_entries: Option<u64>,
}

impl Default for MasterSection {
    fn default() -> Self {
        Self {
            readiness_timeout_ms: 120_000,
            heartbeat_ms: None,
            election_min_ms: None,
            election_max_ms: None,
            snapshot_after_entries: None,
        }
    }
}

impl NodeConfig {
    /// Makes the configuration of a new node from its flags.
    pub(crate) fn of_flags(args: &AddressArgs, role: NodeRole) -> Result<Self, Refusal> {
        let name = match &args.name {
            Some(name) => name.clone(),
            None => host_name(),
        };
        let name = NodeName::new(name).map_err(|error| {
            Refusal::new(codes::CONFIGURATION_INVALID, error.to_string())
                .hint("choose one with --name NAME")
        })?;
        let (admin_addr, internal_addr) = if role.is_master() {
            let (admin, internal) = args.listened();
            refuse_one_address_for_both(&admin, &internal)?;
            (admin, internal)
        } else {
            (String::new(), String::new())
        };
        let (advertise, advertise_port) = advertised(args, &internal_addr)?;
        let zone = args.zone.clone().unwrap_or_default();
        let node =
            NodeSection { name, role, advertise, admin_addr, internal_addr, advertise_port, zone };
        Ok(Self { node, master: MasterSection::default() })
    }

    /// Makes the configuration of a new node from its flags, over what the file of a former node in
    /// the same folder says. Whether there was one.
    pub(crate) fn of_flags_over(
        args: &AddressArgs,
        role: NodeRole,
        file: &Path,
    ) -> Result<(Self, bool), Refusal> {
        if !file.exists() {
            return Ok((Self::of_flags(args, role)?, false));
        }
        let former = Self::load(file)?;
        let mut args = args.clone();
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        // A definite address to listen at says where the node is reached, as it does without a file.
        let listened = args.internal_addr.as_deref().and_then(|addr| split_addr("", addr).ok());
        let is_definite = listened.is_some_and(|(host, _)| host != "0.0.0.0" && host != "::");
        if let Some(host) = given(&former.node.advertise).filter(|_| !is_definite) {
            let port = former.node.advertise_port.filter(|_| args.internal_addr.is_none());
            let advertise = port.map_or(host.clone(), |port| join_host(&host, port));
            args.advertise.get_or_insert(advertise);
        }
        args.name.get_or_insert(former.node.name.to_string());
        if role.is_master() {
            args.admin_addr = args.admin_addr.or(given(&former.node.admin_addr));
            args.internal_addr = args.internal_addr.or(given(&former.node.internal_addr));
        }
        args.zone = args.zone.or(given(&former.node.zone));
        Ok((Self { master: former.master, ..Self::of_flags(&args, role)? }, true))
    }

    /// Reads the configuration file.
    pub(crate) fn load(path: &Path) -> Result<Self, Refusal> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                Refusal::new(codes::NOT_INITIALISED, "there is no node here yet")
                    .cause(format!("{} does not exist", path.display()))
                    .hint("make it the first master with `quorate init`, or let it join a cluster with `quorate join TOKEN`; --root DIR says where")
            } else {
                refuse_file("read", path, &error)
            }
        })?;
        toml::from_str(&text).map_err(|error| {
            Refusal::new(
                codes::CONFIGURATION_INVALID,
                format!("{} is not a valid configuration", path.display()),
            )
            .cause(error.to_string().trim().to_owned())
            .hint("correct the line named above")
        })
    }

    /// Writes the configuration file.
    pub(crate) fn store(&self, path: &Path) -> Result<(), Refusal> {
        let text = toml::to_string(self).map_err(|error| {
            Refusal::new(codes::INTERNAL, "the configuration cannot be written")
                .cause(error.to_string())
        })?;
        let text = format!(
            "# The configuration of this Quorate node, written by `quorate init` or `join`.\n\
             # Flags and QUORATE_* variables override it.\n\n{text}"
        );
        quorate_keyring::atomic_write(path, text.as_bytes(), 0o600)
            .map_err(|error| Refusal::from(&error))
    }

    /// `HOST:PORT` at which others reach the internal port; empty for a node manager.
    pub(crate) fn advertised_internal(&self) -> Result<String, Refusal> {
        self.advertised_port(&self.node.internal_addr, self.node.advertise_port)
    }

    /// `HOST:PORT` at which others reach the admin port; empty for a node manager.
    pub(crate) fn advertised_admin(&self) -> Result<String, Refusal> {
        self.advertised_port(&self.node.admin_addr, None)
    }

    fn advertised_port(&self, listened: &str, port: Option<u16>) -> Result<String, Refusal> {
        if listened.is_empty() {
            return Ok(String::new());
        }
        let (_, listened_port) = split_addr("the listening address", listened)?;
        Ok(join_host(&self.node.advertise, port.unwrap_or(listened_port)))
    }
}

/// Where others reach the node: `--advertise`, else the listening host when it is a definite
/// one, else the host's name.
fn advertised(args: &AddressArgs, internal_addr: &str) -> Result<(String, Option<u16>), Refusal> {
    if let Some(text) = &args.advertise {
        if text.trim().is_empty() || text.starts_with(':') {
            return Err(bad_addr("--advertise", text));
        }
        return match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.starts_with('[') => {
                let port = port.parse().map_err(|_| bad_addr("--advertise", text))?;
                Ok((host.trim_matches(['[', ']']).to_owned(), Some(port)))
            }
            _ => Ok((text.trim_matches(['[', ']']).to_owned(), None)),
        };
    }
    let listened =
        if internal_addr.is_empty() { None } else { Some(split_addr("", internal_addr)?) };
    match listened {
        Some((host, _)) if host != "0.0.0.0" && host != "::" => Ok((host, None)),
        _ => Ok((host_name(), None)),
    }
}

pub(super) fn split_addr(flag: &str, text: &str) -> Result<(String, u16), Refusal> {
    text.rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .and_then(|(host, port)| {
            Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
        })
        .ok_or_else(|| bad_addr(flag, text))
}

/// REST and the other nodes speak different protocols, so each needs an address of its own.
///
/// # Errors
/// When one of them is malformed, or both would listen on one port of one address.
pub(super) fn refuse_one_address_for_both(admin: &str, internal: &str) -> Result<(), Refusal> {
    let (admin_host, admin_port) = split_addr("--admin-addr", admin)?;
    let (internal_host, internal_port) = split_addr("--internal-addr", internal)?;
    let is_every = |host: &str| matches!(host, "0.0.0.0" | "::");
    let overlap = admin_host == internal_host || is_every(&admin_host) || is_every(&internal_host);
    // The operating system gives a free port for 0, another one each time.
    if admin_port == internal_port && admin_port != 0 && overlap {
        return Err(Refusal::new(
            codes::CONFIGURATION_INVALID,
            format!("the admin address and the internal address are both on port {admin_port}"),
        )
        .cause(format!(
            "--admin-addr is {admin} and --internal-addr is {internal}: REST and console listen on \
             the one, other nodes connect to the other, and two listeners cannot share a port"
        ))
        .hint("choose another port for one of them; usual are 8080 and 9901"));
    }
    Ok(())
}

fn bad_addr(flag: &str, text: &str) -> Refusal {
    Refusal::new(codes::CONFIGURATION_INVALID, format!("{flag}: `{text}` is not HOST:PORT"))
        .hint("write it like 10.0.0.1:9901")
}

fn join_host(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    name.split('.').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(internal: &str, advertise: Option<&str>) -> AddressArgs {
        AddressArgs {
            name: Some("m1".to_owned()),
            admin_addr: None,
            internal_addr: Some(internal.to_owned()),
            advertise: advertise.map(str::to_owned),
            zone: None,
        }
    }

    #[test]
    fn what_is_advertised_follows_the_flags() {
        let table = [
            ("10.0.0.1:9901", None, "10.0.0.1:9901"),
            ("0.0.0.0:9901", Some("db-1"), "db-1:9901"),
            ("0.0.0.0:9901", Some("db-1:7000"), "db-1:7000"),
            ("0.0.0.0:9901", Some("[fd00::1]:7000"), "[fd00::1]:7000"),
            ("0.0.0.0:9901", Some("fd00::1"), "[fd00::1]:9901"),
        ];
        for (internal, advertise, expected) in table {
            let config =
                NodeConfig::of_flags(&args(internal, advertise), NodeRole::Master).unwrap();
            assert_eq!(config.advertised_internal().unwrap(), expected);
        }
    }

    #[test]
    fn a_node_that_joins_anew_keeps_what_its_file_says_and_no_flag_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("quorate.toml");
        let none = AddressArgs { name: None, internal_addr: None, ..args("", None) };
        let over = |args: &AddressArgs, role| NodeConfig::of_flags_over(args, role, &file).unwrap();
        assert!(!over(&args("10.0.0.1:9901", None), NodeRole::Master).1, "there is no file");
        let mut former = NodeConfig::of_flags(
            &AddressArgs {
                admin_addr: Some("10.0.0.1:8090".to_owned()),
                zone: Some("room 1".to_owned()),
                ..args("0.0.0.0:9911", Some("db-1:7000"))
            },
            NodeRole::Master,
        )
        .unwrap();
        former.master.readiness_timeout_ms = 7_000;
        former.store(&file).unwrap();
        assert_eq!(over(&none, NodeRole::Master), (former.clone(), true));

        let (changed, _) = over(
            &AddressArgs { name: Some("m9".to_owned()), ..args("10.0.0.9:9901", None) },
            NodeRole::Master,
        );
        assert_eq!(changed.node.name.as_str(), "m9");
        assert_eq!(changed.advertised_internal().unwrap(), "10.0.0.9:9901");
        assert_eq!(changed.node.admin_addr, "10.0.0.1:8090");
        let (moved, _) = over(&args("0.0.0.0:9901", None), NodeRole::Master);
        assert_eq!(moved.advertised_internal().unwrap(), "db-1:9901");
        let (manager, _) = over(&none, NodeRole::NodeManager);
        assert_eq!(
            (manager.node.advertise.as_str(), manager.node.admin_addr.as_str()),
            ("db-1", "")
        );
    }

    #[test]
    fn a_wrong_address_is_refused_with_an_example() {
        let refusal = NodeConfig::of_flags(&args("nonsense", None), NodeRole::Master).unwrap_err();
        assert_eq!(refusal.code, codes::CONFIGURATION_INVALID);
        assert!(refusal.hint.unwrap().contains("10.0.0.1:9901"));
    }

    #[test]
    fn one_address_for_both_is_refused_before_anything_is_done() {
        let refused = |admin: &str, internal: &str| {
            let admin_addr = Some(admin.to_owned());
            let args = AddressArgs { admin_addr, ..args(internal, None) };
            let early = args.refuse_unusable().err().map(|refusal| refusal.code);
            let late = NodeConfig::of_flags(&args, NodeRole::Master).err().map(|it| it.code);
            assert_eq!(early, late, "{admin} {internal}");
            early == Some(codes::CONFIGURATION_INVALID)
        };
        assert!(refused("10.0.0.1:8080", "10.0.0.1:8080"));
        assert!(refused("0.0.0.0:9901", "10.0.0.1:9901"));
        assert!(refused("127.0.0.1:9901", "[::]:9901"));
        assert!(!refused("10.0.0.1:8080", "10.0.0.2:8080"));
        assert!(!refused("0.0.0.0:8080", "0.0.0.0:9901"));
        assert!(!refused("127.0.0.1:0", "127.0.0.1:0"));
    }

    #[test]
    fn the_file_survives_writing_and_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quorate.toml");
        let config = NodeConfig::of_flags(&args("10.0.0.1:9901", None), NodeRole::Both).unwrap();
        config.store(&path).unwrap();
        assert_eq!(NodeConfig::load(&path).unwrap(), config);
        std::fs::write(&path, "[node]\nnmae = \"x\"").unwrap();
        let refusal = NodeConfig::load(&path).unwrap_err();
        assert!(refusal.cause.unwrap().contains("nmae"));
    }
}
