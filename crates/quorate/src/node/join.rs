//! `quorate join TOKEN`: makes this host a node of an existing cluster.

use std::{sync::Arc, time::Duration};

use quorate_api::internal::{
    JoinRequest, JoinResponse, PrepareRequest, PrepareResponse, enrolment_client::EnrolmentClient,
};
use quorate_keyring::{
    Keyring, SealedKeyring,
    identity::{CapturedCa, JoinToken, NodeIdentity, NodeKey, enrolment_client_tls},
    store_sealed,
};
use quorate_model::{ClusterId, Epoch, NodeId, Refusal, codes};
use quorate_node_manager::KnownMasters;
use tonic::transport::Channel;

use super::{
    AddressArgs, FolderArgs, Folders, NodeConfig, NodeRole, binary, dial,
    init::{begin_unfinished, end_unfinished, refuse_second_init, root_key},
    joining::Joining,
    os::{lock_data_folder, system_clock},
    recovery,
};
use crate::ui::duration;

/// Make this host a node of a cluster: master or node manager, as the token says
///
/// Make the token on a master with `quorate token create --role ROLE`. A master needs the
/// cluster's root key in QUORATE_ROOT_KEY. Unless the token was made with --auto-approve, it then
/// waits until a person lets it in with `quorate enrolment approve`; interrupted, the same command
/// goes on waiting. Afterwards start the node with `quorate start`.
#[derive(Debug, clap::Args)]
pub(crate) struct JoinArgs {
    /// The join token
    pub(crate) token: String,
    #[command(flatten)]
    pub(crate) address: AddressArgs,
    /// How long to wait for a person's approval before exiting; the same command waits on
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration::parse)]
    pub(crate) approval_timeout: Duration,
    #[command(flatten)]
    pub(crate) folders: FolderArgs,
}

/// How long to keep trying: masters may be electing a leader at this moment.
const KEEP_TRYING: Duration = Duration::from_secs(20);
/// How long one call may take.
const CALL_DEADLINE: Duration = Duration::from_secs(12);
/// How often a joiner that waits for approval asks again.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Runs `join`; returns what to tell people at the end, and says on the way what it waits for.
pub(crate) async fn run(
    args: &JoinArgs,
    folders: &Folders,
    say: &dyn Fn(&str),
) -> Result<String, Refusal> {
    let token = JoinToken::parse(&args.token).map_err(|error| Refusal::from(&error))?;
    // Whatever the token is for: these flags are a master's, and fit none.
    args.address.refuse_unusable()?;
    refuse_second_init(folders)?;
    let (mut client, captured) = connect(&token).await?;
    // A join that was interrupted goes on with its key; the token may be spent on it already.
    let (joining, is_new) = match Joining::load(folders, &token)? {
        Some(known) => (known, false),
        None => (Joining::begin(&token, prepare(&mut client, &token).await?)?, true),
    };
    let role = NodeRole::parse(&joining.role).ok_or_else(|| too_old("an unknown role"))?;
    // The root key is checked before the token is spent, so that a wrong one costs nothing.
    let sealed = if role.is_master() { Some(check_root_key(&joining)?) } else { None };
    refuse_ports_of_no_master(&args.address, role)?;
    let file = folders.config_file();
    let (config, is_kept) = NodeConfig::of_flags_over(&args.address, role, &file)?;
    if is_kept {
        say(&format!("what {} says, and no flag says otherwise, is kept", file.display()));
    }
    if role.is_master() && is_new {
        refuse_address_of_another(&token, &config.advertised_internal()?).await?;
    }
    folders.create()?;
    let _lock = lock_data_folder(&folders.data)?;
    // Another join may have ended while this one spoke with the masters.
    refuse_second_init(folders)?;
    begin_unfinished(folders)?;
    if is_new {
        joining.store(folders)?;
    }
    let request = JoinRequest {
        token_id: token.id.to_string(),
        secret: token.secret.to_vec(),
        csr_pem: joining.csr_pem.clone(),
        name: config.node.name.to_string(),
        address: config.node.advertise.clone(),
        internal_addr: config.advertised_internal()?,
        admin_addr: config.advertised_admin()?,
        version: binary::version().to_owned(),
        reads_level: binary::reads_level(),
    };
    let joined = match join(client, &token, request, args.approval_timeout, say).await {
        Ok(joined) => joined,
        Err(failed) => {
            // What another attempt with this token may need stays; what nobody can use does not.
            if failed.is_final && (is_new || failed.refusal.code == codes::JOIN_TOKEN_INVALID) {
                Joining::forget(folders)?;
                end_unfinished(folders)?;
            }
            return Err(failed.refusal);
        }
    };
    let identity = identity_of(&joined, &captured, &joining.key()?)?;
    if let Some(sealed) = sealed {
        store_sealed(&folders.keyring_file(), &sealed).map_err(|error| Refusal::from(&error))?;
    }
    // A master, too: it may start at another address than it joined with, and has to tell somebody.
    let masters = joined.masters.iter().map(|m| (NodeId(m.node_id), m.internal_addr.clone()));
    KnownMasters::store_first(&folders.node_manager(), masters.collect())
        .map_err(|error| error.refusal())?;
    if joined.epoch > 0 {
        let epoch = recovery::OwnEpoch { epoch: Epoch(joined.epoch), ..Default::default() };
        recovery::store_epoch(folders, epoch)?;
    }
    config.store(&folders.config_file())?;
    identity.store(&folders.identity()).map_err(|error| Refusal::from(&error))?;
    Joining::forget(folders)?;
    end_unfinished(folders)?;
    Ok(format!("this host is {} ({}) of cluster {}", identity.node, joining.role, identity.cluster))
}

/// Connects to the first master of the token that answers and proves itself.
async fn connect(token: &JoinToken) -> Result<(EnrolmentClient<Channel>, CapturedCa), Refusal> {
    let (tls, captured) = enrolment_client_tls(token.ca, token.cluster, &system_clock())
        .map_err(|error| Refusal::from(&error))?;
    let mut last = String::from("the token names no master");
    let until = tokio::time::Instant::now() + KEEP_TRYING;
    loop {
        for addr in &token.addresses {
            match dial::connect_any(Arc::clone(&tls), token.cluster, addr).await {
                Ok(channel) => return Ok((EnrolmentClient::new(channel), captured)),
                Err(error) => {
                    if let Some(refusal) = captured.refusal() {
                        return Err(refusal);
                    }
                    last = format!("{addr}: {error}");
                }
            }
        }
        if token.addresses.is_empty() || tokio::time::Instant::now() >= until {
            return Err(Refusal::new(codes::MASTER_UNREACHABLE, "no master of the token answers")
                .cause(last)
                .hint("see that a master runs and that its internal port is reachable from here"));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn prepare(
    client: &mut EnrolmentClient<Channel>,
    token: &JoinToken,
) -> Result<PrepareResponse, Refusal> {
    let request = PrepareRequest { token_id: token.id.to_string(), secret: token.secret.to_vec() };
    let answer = tokio::time::timeout(CALL_DEADLINE, client.prepare(request)).await;
    let prepared = unwrap_answer(answer)?;
    if prepared.feature_level > binary::reads_level() {
        return Err(too_old(&format!("feature level {}", prepared.feature_level)));
    }
    Ok(prepared)
}

/// Whoever says where a master listens wants one, and took the wrong token.
fn refuse_ports_of_no_master(args: &AddressArgs, role: NodeRole) -> Result<(), Refusal> {
    let given = [("--admin-addr", &args.admin_addr), ("--internal-addr", &args.internal_addr)];
    let given = given.into_iter().find(|(_, addr)| addr.is_some());
    match given {
        Some((flag, _)) if !role.is_master() => Err(Refusal::new(
            codes::JOIN_TOKEN_INVALID,
            "the join token is for a node manager, not for a master",
        )
        .cause(format!("{flag} is a master's, a node manager listens nowhere; nothing was done"))
        .hint(
            "make a token for a master: quorate token create --role master; or leave the flag out",
        )),
        _ => Ok(()),
    }
}

/// Why somebody did not come in.
struct NotIn {
    refusal: Refusal,
    /// Whether the masters hold nothing of this joiner: it neither waits at the door nor may have
    /// come in by an answer that was lost.
    is_final: bool,
}

/// How long a node may take to answer at the address that this one wants for itself.
const ANOTHER_DEADLINE: Duration = Duration::from_secs(2);

/// Two masters that are looked for at one address would each be taken for the other. A dead one's
/// address may be taken over: there nobody answers.
async fn refuse_address_of_another(token: &JoinToken, addr: &str) -> Result<(), Refusal> {
    let (tls, _) = enrolment_client_tls(token.ca, token.cluster, &system_clock())
        .map_err(|error| Refusal::from(&error))?;
    let answer = dial::connect_any(tls, token.cluster, addr);
    match tokio::time::timeout(ANOTHER_DEADLINE, answer).await {
        Ok(Ok(_)) => Err(Refusal::new(
            codes::ADDRESS_IN_USE,
            format!("a master of this cluster answers at {addr} already"),
        )
        .cause("the others would look for this host's master there, too; nothing was done")
        .hint(
            "say where this host is reached: --advertise HOST, and --internal-addr for the port",
        )),
        Ok(Err(_)) | Err(_) => Ok(()),
    }
}

/// Asks until it is in, waiting for a person's approval if one is needed.
async fn join(
    mut client: EnrolmentClient<Channel>,
    token: &JoinToken,
    request: JoinRequest,
    patience: Duration,
    say: &dyn Fn(&str),
) -> Result<JoinResponse, NotIn> {
    let until = tokio::time::Instant::now() + patience;
    let not_in = |refusal, is_final| Err(NotIn { refusal, is_final });
    let (mut waits, mut failures) = (false, 0);
    loop {
        let answer = tokio::time::timeout(CALL_DEADLINE, client.join(request.clone())).await;
        let refusal = match unwrap_answer(answer) {
            Ok(joined) => return Ok(joined),
            Err(refusal) => refusal,
        };
        match refusal.code {
            codes::ENROLMENT_PENDING if tokio::time::Instant::now() >= until => {
                let hint = "repeat the same command: this host keeps its key and its place until \
                            the token expires";
                return not_in(refusal.hint(hint), false);
            }
            codes::ENROLMENT_PENDING => {
                if !waits {
                    say(&waiting_words(&refusal));
                }
                (waits, failures) = (true, 0);
            }
            // The same key may repeat itself: an answer lost on the way does not lose the node.
            codes::MASTER_UNREACHABLE | codes::NO_LEADER if waits || failures < 2 => {
                failures += 1;
                match connect(token).await {
                    Ok((again, _)) => client = again,
                    Err(refusal) => return not_in(refusal, false),
                }
            }
            codes::MASTER_UNREACHABLE | codes::NO_LEADER => return not_in(refusal, false),
            codes::JOIN_TOKEN_INVALID => return not_in(refusal, true),
            _ => return not_in(refusal, !waits && failures == 0),
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

fn waiting_words(refusal: &Refusal) -> String {
    let cause = refusal.cause.as_deref().unwrap_or_default();
    let hint = refusal.hint.as_deref().unwrap_or_default();
    format!("{}\n  {cause}\n  {hint}", refusal.message)
}

fn unwrap_answer<T>(
    answer: Result<Result<tonic::Response<T>, tonic::Status>, tokio::time::error::Elapsed>,
) -> Result<T, Refusal> {
    match answer {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(dial::refusal_of(&status)),
        Err(_) => Err(Refusal::new(codes::MASTER_UNREACHABLE, "the master did not answer in time")
            .hint("try again; the token is not spent until the node exists")),
    }
}

fn check_root_key(joining: &Joining) -> Result<SealedKeyring, Refusal> {
    let root_key = root_key()?;
    let sealed = SealedKeyring::from_bytes(&joining.sealed_keyring)
        .map_err(|error| Refusal::from(&error))?;
    Keyring::open_joining(&root_key, &sealed).map_err(|error| Refusal::from(&error))?;
    Ok(sealed)
}

fn identity_of(
    joined: &JoinResponse,
    captured: &CapturedCa,
    key: &NodeKey,
) -> Result<NodeIdentity, Refusal> {
    let cluster: ClusterId = joined.cluster_id.parse().map_err(|_| too_old("its cluster id"))?;
    let ca_pem = captured.ca_pem().ok_or_else(|| {
        Refusal::new(codes::INTERNAL, "the cluster's authority was not seen in the handshake")
    })?;
    Ok(NodeIdentity {
        cluster,
        node: NodeId(joined.node_id),
        cert_pem: joined.cert_pem.clone(),
        key_pem: key.key_pem(),
        ca_pem,
    })
}

fn too_old(what: &str) -> Refusal {
    Refusal::new(codes::BINARY_TOO_OLD, "this binary is too old for the cluster")
        .cause(format!(
            "it cannot read {what}; it reads up to feature level {}",
            binary::reads_level()
        ))
        .hint("install the version that the masters run, then join again")
}
