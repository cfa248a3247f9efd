//! `quorate init`: makes this host the first master of a new cluster.

use std::sync::Arc;

use quorate_keyring::{
    Keyring, OsIdSource, ROOT_KEY_VARIABLE, RootKey,
    identity::{CertificateAuthority, NodeIdentity, NodeKey, hash_password},
    store_sealed,
};
use quorate_model::{
    Clock, ClusterId, Epoch, Generation, IdSource, NodeId, NodeRoles, Refusal, UserName, codes,
};
use quorate_raft::{RaftNode, RaftOptions};
use quorate_state::{Command, FEATURE_LEVEL, NewNode, Proposal, User, UserRole};

use super::{
    AddressArgs, FolderArgs, Folders, NodeConfig, NodeRole, SystemClock, binary, dial,
    os::{lock_data_folder, refuse_file},
};

/// Make this host the first master of a new cluster
///
/// The root key is read from QUORATE_ROOT_KEY (make one with `quorate keygen`) and is never
/// written to disk. Afterwards start the node with `quorate start`.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    pub(crate) address: AddressArgs,
    #[command(flatten)]
    pub(crate) folders: FolderArgs,
    /// Also supervise instances on this host
    #[arg(long)]
    pub(crate) node_manager: bool,
    /// Let admin/admin work without a change of password; for throw-away clusters only
    #[arg(long, hide = true)]
    pub(crate) dev_login: bool,
}

/// How long a certificate of a node is valid.
const CERTIFICATE_LIFETIME: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 3600);

/// Runs `init`; returns what to tell people.
pub(crate) async fn run(args: &InitArgs, folders: &Folders) -> Result<String, Refusal> {
    let root_key = root_key()?;
    let role = if args.node_manager { NodeRole::Both } else { NodeRole::Master };
    let (config, _) = NodeConfig::of_flags_over(&args.address, role, &folders.config_file())?;
    refuse_second_init(folders)?;
    folders.create()?;
    let _lock = lock_data_folder(&folders.data)?;
    // Another init may have ended while this one waited for nothing but its turn.
    refuse_second_init(folders)?;
    begin_unfinished(folders)?;

    let now = SystemClock.now();
    let cluster = ClusterId::from_parts(now.0, OsIdSource.random());
    let (keyring, sealed) = Keyring::create(&root_key, cluster).map_err(refusal)?;
    let authority = CertificateAuthority::create(cluster, now).map_err(refusal)?;
    let node = NodeId(1);
    let key = NodeKey::generate().map_err(refusal)?;
    let csr = key.csr_pem().map_err(refusal)?;
    let identity = NodeIdentity {
        cluster,
        node,
        cert_pem: authority.issue_node(node, &csr, now, CERTIFICATE_LIFETIME).map_err(refusal)?,
        key_pem: key.key_pem(),
        ca_pem: authority.cert_pem().to_owned(),
    };
    store_sealed(&folders.keyring_file(), &sealed).map_err(refusal)?;
    create_cluster(args, folders, &config, keyring, &authority, &identity).await?;
    config.store(&folders.config_file())?;
    // The identity comes last: its presence makes the folder a node's, and only a whole one is.
    identity.store(&folders.identity()).map_err(refusal)?;
    end_unfinished(folders)?;
    Ok(format!("cluster {cluster} is made; this host is its first master, {node}"))
}

/// The root key from the environment.
pub(super) fn root_key() -> Result<RootKey, Refusal> {
    RootKey::from_env_value(std::env::var(ROOT_KEY_VARIABLE).ok()).map_err(refusal)
}

fn refusal(error: quorate_keyring::KeyringError) -> Refusal {
    Refusal::from(&error)
}

/// What a command says that needs a node where there is none.
pub(super) fn no_node_yet(folders: &Folders) -> Refusal {
    Refusal::new(codes::NOT_INITIALISED, "there is no node here yet")
        .cause(format!("{} holds no identity", folders.data.display()))
        .hint("make it the first master with `quorate init`, or `quorate join TOKEN`")
}

pub(super) fn refuse_second_init(folders: &Folders) -> Result<(), Refusal> {
    if !NodeIdentity::exists(&folders.identity()) {
        return Ok(());
    }
    Err(Refusal::new(
        codes::ALREADY_INITIALISED,
        format!("there is a node in {} already", folders.data.display()),
    )
    .hint("start it with `quorate run`, or choose another place with --root DIR"))
}

/// Marks the folder as being made. What an earlier, interrupted attempt left is removed, but only
/// when its mark is there: a Raft store without one belonged to a node that was whole once.
pub(super) fn begin_unfinished(folders: &Folders) -> Result<(), Refusal> {
    let mark = folders.unfinished();
    if mark.exists() {
        clear_unfinished(folders)?;
    } else if folders.raft().exists() || folders.identity().exists() {
        return Err(Refusal::new(
            codes::ALREADY_INITIALISED,
            format!("{} holds the remains of a node", folders.data.display()),
        )
        .cause("there is a store without a whole identity, and it was not left by `init` or `join`")
        .hint("look at it; if nothing of it is needed, move it aside, or choose another --root"));
    }
    quorate_keyring::atomic_write(&mark, b"", 0o600).map_err(refusal)
}

/// Takes the mark away: the node is whole.
pub(super) fn end_unfinished(folders: &Folders) -> Result<(), Refusal> {
    let mark = folders.unfinished();
    std::fs::remove_file(&mark).map_err(|error| refuse_file("remove", &mark, &error))
}

fn clear_unfinished(folders: &Folders) -> Result<(), Refusal> {
    for folder in [folders.raft(), folders.node_manager(), folders.identity()] {
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(refuse_file("remove", &folder, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Runs Raft for a moment, alone, to make the first command of the cluster durable.
async fn create_cluster(
    args: &InitArgs,
    folders: &Folders,
    config: &NodeConfig,
    keyring: Keyring,
    authority: &CertificateAuthority,
    identity: &NodeIdentity,
) -> Result<(), Refusal> {
    let sealed_ca = authority.seal(&keyring);
    let internal_addr = config.advertised_internal()?;
    let options =
        RaftOptions::new(identity.cluster, Epoch::default(), identity.node, folders.raft());
    let dialer = Arc::new(dial::Nobody);
    let (raft, _) = RaftNode::open(options, keyring, dialer.clone(), dialer)
        .await
        .map_err(|error| error.refusal())?;
    let done = async {
        raft.initialize(&internal_addr).await.map_err(|error| error.refusal())?;
        let proposal = Proposal {
            request_id: None,
            at: SystemClock.now(),
            principal: "system:init".to_owned(),
            command: Command::CreateCluster {
                cluster: identity.cluster,
                ca_cert_pem: authority.cert_pem().to_owned(),
                sealed_ca,
                node: NewNode {
                    name: config.node.name.clone(),
                    roles: NodeRoles {
                        master: true,
                        node_manager: config.node.role.is_node_manager(),
                    },
                    address: config.node.advertise.clone(),
                    internal_addr: internal_addr.clone(),
                    admin_addr: config.advertised_admin()?,
                    version: binary::version().to_owned(),
                    obeyed: Generation(0),
                    order_report: None,
                    reads_level: binary::reads_level(),
                },
                admin: UserName::new("admin")
                    .map_err(|error| Refusal::new(codes::INTERNAL, error.to_string()))?,
                admin_user: User {
                    password_hash: hash_password("admin").map_err(refusal)?,
                    must_change_password: !args.dev_login,
                    role: UserRole::Admin,
                },
                feature_level: FEATURE_LEVEL,
            },
            digest: None,
            allowed_after: None,
        };
        raft.propose(proposal)
            .await
            .map_err(|error| Refusal::new(codes::INTERNAL, error.to_string()))??;
        Ok(())
    };
    let result = done.await;
    raft.shutdown().await;
    result
}
