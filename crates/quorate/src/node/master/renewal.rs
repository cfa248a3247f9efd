//! Renews the certificate of a running master.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use quorate_control::{Control, use_cases::certificates};
use quorate_keyring::identity::{NodeIdentity, NodeKey, ReloadableIdentity};
use quorate_model::{Clock, Refusal};
use quorate_node_manager::{is_renewal_due, is_valid};
use tracing::{info, warn};

use super::SystemClock;

/// How often it is looked whether the certificate is to be renewed.
const RENEWAL_EVERY: Duration = Duration::from_secs(60);

/// Renews this master's certificate when half of its lifetime is over; it holds the authority.
///
/// Otherwise it waits until the cluster is ready, so that a master that was removed learns of it
/// first. But masters that were all away until their certificates had ended, or that had them signed
/// under clocks that were far ahead and are right again, would never hear of each other: then each
/// signs its own. That lets nobody in who was removed, since it is its id that
/// is refused.
pub(super) async fn keep_renewed(
    control: Control,
    identity: Arc<ReloadableIdentity>,
    folder: PathBuf,
) {
    loop {
        tokio::select! {
            () = control.readiness().opened() => {}
            () = invalid(&identity) => {}
        }
        if is_renewal_due(&identity.current(), SystemClock.now()) {
            match renew(&control, &identity, &folder) {
                Ok(()) => info!("this master's certificate was renewed"),
                Err(refusal) => warn!("this master's certificate was not renewed yet: {refusal}"),
            }
        }
        tokio::time::sleep(RENEWAL_EVERY).await;
    }
}

async fn invalid(identity: &ReloadableIdentity) {
    while is_valid(&identity.current(), SystemClock.now()) {
        tokio::time::sleep(RENEWAL_EVERY).await;
    }
}

fn renew(
    control: &Control,
    identity: &Arc<ReloadableIdentity>,
    folder: &Path,
) -> Result<(), Refusal> {
    let key = NodeKey::generate().map_err(|error| Refusal::from(&error))?;
    let csr = key.csr_pem().map_err(|error| Refusal::from(&error))?;
    let cert_pem = certificates::renew_node(control, control.node(), &csr)?;
    let former = identity.current();
    let renewed = NodeIdentity { cert_pem, key_pem: key.key_pem(), ..(*former).clone() };
    // Stored first: it checks that the parts belong together.
    renewed.store(folder).map_err(|error| Refusal::from(&error))?;
    identity.reload(renewed).map_err(|error| Refusal::from(&error))
}
