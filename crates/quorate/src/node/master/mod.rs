//! Runs a master, round by round: a round ends when it is to stop, or when its storage fails.
//!
//! `listen` binds and serves the sockets, `round` puts Raft, the control plane and the duties
//! together and watches over them, `renewal` and `announce` run beside, `standing` notices that
//! this master was removed, `leave` hands leadership over at the end. `out_of_service` answers
//! between two rounds.

mod announce;
mod leave;
mod listen;
mod out_of_service;
mod purge;
mod renewal;
mod round;
mod standing;
mod surroundings;

use std::{sync::Arc, time::Duration};

use quorate_api::rest::Precondition;
use quorate_keyring::{Keyring, SealedKeyring, identity::ReloadableIdentity, load_sealed};
use quorate_model::Refusal;
use tokio::sync::watch;
use tracing::warn;

use super::{
    Folders, NodeConfig, SystemClock, dial,
    init::root_key,
    orders::Orders,
    os::refuse_file,
    recovery,
    report::{Reporter, follow_master},
};
use listen::Sockets;
use out_of_service::OutOfService;
use round::{End, Round};

/// How often a failed storage is tried again.
const REOPEN_EVERY: Duration = Duration::from_secs(2);

/// A master's secrets and sockets, acquired before anything is changed.
pub(super) struct Prepared {
    keyring: Keyring,
    sealed: SealedKeyring,
    sockets: Sockets,
}

/// Opens the keyring and binds the ports: everything that can be wrong with the environment is
/// found here, within the first second, with nothing on disk changed.
pub(super) async fn prepare(folders: &Folders, config: &NodeConfig) -> Result<Prepared, Refusal> {
    recovery::may_run(folders)?;
    let root_key = root_key()?;
    let sealed = load_sealed(&folders.keyring_file()).map_err(|error| Refusal::from(&error))?;
    let keyring = Keyring::open(&root_key, &sealed).map_err(|error| Refusal::from(&error))?;
    let sockets = Sockets::bind(config).await?;
    Ok(Prepared { keyring, sealed, sockets })
}

/// Runs the master until `stop` turns true. A failed storage ends one round; the next begins when the
/// folder can be opened again, on the same ports. In between, whoever asks is told why.
pub(super) async fn run(
    folders: Folders,
    config: NodeConfig,
    identity: Arc<ReloadableIdentity>,
    orders: Orders,
    prepared: Prepared,
    reporter: Reporter,
    stop: watch::Receiver<bool>,
) -> Result<(), Refusal> {
    let Prepared { keyring, sealed, sockets } = prepared;
    let admin = sockets.admin.clone();
    let mut bound = Some(sockets);
    let mut meanwhile: Option<OutOfService> = None;
    loop {
        let sockets = match bound.take() {
            Some(sockets) => sockets,
            None => match Sockets::bind_again(admin.clone(), &config).await {
                Ok(sockets) => sockets,
                Err(refusal) => {
                    // Connections of the round before may still be closing.
                    warn!(code = %refusal.code, "{refusal}");
                    if wait_or_stop(REOPEN_EVERY, stop.clone()).await {
                        return Ok(());
                    }
                    continue;
                }
            },
        };
        let round = Round {
            folders: &folders,
            config: &config,
            identity: Arc::clone(&identity),
            keyring: keyring.clone(),
            sealed: sealed.clone(),
            reporter: reporter.clone(),
            orders: orders.clone(),
        };
        match round.run(sockets, &mut meanwhile, stop.clone()).await? {
            End::Stopped => return Ok(()),
            End::StorageFailed(refusal) => {
                let unmet = Precondition { name: "storage".to_owned(), unmet: refusal.to_string() };
                reporter.update(|report| report.unmet = vec![unmet]);
                match &meanwhile {
                    Some(answering) => answering.say(refusal),
                    None => {
                        let listener = admin.listener();
                        let listener =
                            listener.map_err(|error| refuse_file("serve", &folders.run, &error))?;
                        let local = folders.admin_socket();
                        meanwhile = Some(OutOfService::begin(listener, local, refusal));
                    }
                }
                if wait_or_stop(REOPEN_EVERY, stop.clone()).await {
                    return Ok(());
                }
            }
        }
    }
}

/// Waits; true when it was asked to stop meanwhile.
async fn wait_or_stop(how_long: Duration, mut stop: watch::Receiver<bool>) -> bool {
    tokio::time::timeout(how_long, stop.wait_for(|stop| *stop)).await.is_ok()
}
