//! What a joiner keeps until it is a node: its key above all, so that it can be interrupted and
//! ask again as the same.

use std::io::ErrorKind;

use quorate_api::internal::PrepareResponse;
use quorate_keyring::{
    atomic_write,
    identity::{JoinToken, NodeKey},
};
use quorate_model::{Refusal, codes};
use serde::{Deserialize, Serialize};

use super::{Folders, os::refuse_file};

/// A join that was begun.
#[derive(Serialize, Deserialize)]
pub(super) struct Joining {
    /// The id of its token; another token begins another join.
    token: String,
    /// What the joiner becomes.
    pub(super) role: String,
    /// The sealed keyring, for a master.
    pub(super) sealed_keyring: Vec<u8>,
    /// The joiner's private key (PEM).
    key_pem: String,
    /// The request made with it.
    pub(super) csr_pem: String,
}

impl Joining {
    /// A new one, with a new key.
    pub(super) fn begin(token: &JoinToken, prepared: PrepareResponse) -> Result<Self, Refusal> {
        let key = NodeKey::generate().map_err(|error| Refusal::from(&error))?;
        Ok(Self {
            token: token.id.to_string(),
            role: prepared.role,
            sealed_keyring: prepared.sealed_keyring,
            csr_pem: key.csr_pem().map_err(|error| Refusal::from(&error))?,
            key_pem: key.key_pem().to_string(),
        })
    }

    /// The one that was interrupted, if it was for this token.
    pub(super) fn load(folders: &Folders, token: &JoinToken) -> Result<Option<Self>, Refusal> {
        let path = folders.joining();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refuse_file("read", &path, &error)),
        };
        // One that cannot be read, of another version perhaps, is begun anew.
        let known = serde_json::from_slice::<Self>(&text).ok();
        Ok(known.filter(|known| known.token == token.id.to_string()))
    }

    /// Keeps it, for the owner only.
    pub(super) fn store(&self, folders: &Folders) -> Result<(), Refusal> {
        let text = serde_json::to_vec(self).map_err(|error| {
            Refusal::new(codes::INTERNAL, "cannot keep the join").cause(error.to_string())
        })?;
        atomic_write(&folders.joining(), &text, 0o600).map_err(|error| Refusal::from(&error))
    }

    /// The key.
    pub(super) fn key(&self) -> Result<NodeKey, Refusal> {
        NodeKey::from_pem(&self.key_pem).map_err(|error| Refusal::from(&error))
    }

    /// Forgets it: the node is whole, or nothing was begun.
    pub(super) fn forget(folders: &Folders) -> Result<(), Refusal> {
        let path = folders.joining();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(refuse_file("remove", &path, &error))
            }
            _ => Ok(()),
        }
    }
}
