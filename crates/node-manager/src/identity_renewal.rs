//! Renews the node's own certificate when half of its lifetime is over.

use std::{path::Path, sync::Arc, time::Duration};

use quorate_api::internal::{RenewNodeRequest, node_managers_client::NodeManagersClient};
use quorate_keyring::{
    KeyringError,
    identity::{NodeIdentity, NodeKey, ReloadableIdentity},
};
use quorate_model::{Clock, Timestamp};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::transport::Channel;
use tracing::{info, warn};

use crate::{NodeIdentityFiles, connector::in_full, instance::Lifetime, link::Link};

/// How often it is looked whether the certificate is to be renewed.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long the leader may take to sign.
const SIGN_DEADLINE: Duration = Duration::from_secs(10);

/// Why the node's certificate was not renewed; the former one stays.
#[derive(Debug, thiserror::Error)]
pub enum IdentityRenewalError {
    /// The leader did not sign it.
    #[error("the leader did not sign the node's certificate: {0}")]
    Sign(String),
    /// The key could not be made, or the new identity does not fit or cannot be stored.
    #[error("the node's new certificate cannot be used: {}", in_full(.0))]
    Adopt(#[from] KeyringError),
}

/// Whether less than half of a node certificate's lifetime remains, or it is not valid now.
#[must_use]
pub fn is_renewal_due(identity: &NodeIdentity, now: Timestamp) -> bool {
    Lifetime::of_pem(&identity.cert_pem).is_none_or(|lifetime| lifetime.has_less_left_than(2, now))
}

/// Whether a node certificate is valid now. If not, no other node takes it: its lifetime is over, or
/// it was signed under a clock that was far ahead, and has not begun.
#[must_use]
pub fn is_valid(identity: &NodeIdentity, now: Timestamp) -> bool {
    Lifetime::of_pem(&identity.cert_pem).is_some_and(|lifetime| lifetime.is_valid(now))
}

/// Has a new key of this node signed by the leader that `channel` goes to, stores the new
/// identity in `folder`, and presents it from the next handshake on.
///
/// # Errors
/// When the leader refuses or is silent, or the identity cannot be stored; the former one stays.
pub async fn renew_identity(
    channel: Channel,
    identity: &Arc<ReloadableIdentity>,
    folder: &Path,
) -> Result<(), IdentityRenewalError> {
    let key = NodeKey::generate()?;
    let request = RenewNodeRequest { csr_pem: key.csr_pem()? };
    let mut client = NodeManagersClient::new(channel);
    let cert_pem = match timeout(SIGN_DEADLINE, client.renew_node(request)).await {
        Ok(Ok(answer)) => answer.into_inner().cert_pem,
        Ok(Err(status)) => return Err(IdentityRenewalError::Sign(status.message().to_owned())),
        Err(_) => {
            return Err(IdentityRenewalError::Sign(format!("it was silent for {SIGN_DEADLINE:?}")));
        }
    };
    let former = identity.current();
    let renewed = NodeIdentity { cert_pem, key_pem: key.key_pem(), ..(*former).clone() };
    // Stored first: it checks that the parts belong together.
    renewed.store(folder)?;
    identity.reload(renewed)?;
    Ok(())
}

/// Renews the identity whenever it is due and there is a leader.
pub(crate) async fn keep_renewed(files: NodeIdentityFiles, link: Link, clock: Arc<dyn Clock>) -> ! {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if !is_renewal_due(&files.identity.current(), clock.now()) {
            continue;
        }
        let Some(leader) = link.borrow().clone() else { continue };
        match renew_identity(leader.channel, &files.identity, &files.folder).await {
            Ok(()) => info!("the node's certificate was renewed"),
            Err(error) => warn!(%error, "the node's certificate was not renewed yet"),
        }
    }
}
