//! Everything secret: the operator's root key, the keyring it opens, sealed values, and the
//! identities of nodes, components and people.
//!
//! The chain of keys: root key (environment, never on disk) → Argon2id with the cluster's salt →
//! key-encryption key, checked by a known-plaintext seal so that a wrong key is refused at once →
//! data keys, wrapped in a [`SealedKeyring`] → one subkey per [`Purpose`] → XChaCha20-Poly1305.
//!
//! ```
//! use quorate_keyring::{Keyring, Purpose, RootKey};
//! use quorate_model::ClusterId;
//!
//! let root_key = RootKey::generate();
//! let (keyring, stored) = Keyring::create(&root_key, ClusterId::from_parts(1, 2))?;
//! let sealed = keyring.seal(Purpose::Log, b"entry 7", b"secret");
//!
//! let reopened = Keyring::open(&root_key, &stored)?;
//! assert_eq!(reopened.unseal(Purpose::Log, b"entry 7", &sealed)?.as_slice(), b"secret");
//! assert!(reopened.unseal(Purpose::Log, b"entry 8", &sealed).is_err());
//! # Ok::<(), quorate_keyring::KeyringError>(())
//! ```
//!
//! [`identity`] is the cluster's certificate authority, join tokens, TLS, passwords and sessions.
//! Nothing here is asynchronous, and nothing secret is shown by `Debug`, `Display` or an error.

mod data_key;
mod encoding;
mod error;
mod file;
pub mod identity;
mod kek;
mod keyring;
mod purpose;
mod random;
mod root_key;
mod sealed_keyring;

pub use error::KeyringError;
pub use file::{atomic_write, make_private_folder, sync_folder};
pub use keyring::{Keyring, SEAL_OVERHEAD};
pub use purpose::Purpose;
pub use random::{OsIdSource, one_time_password};
pub use root_key::{ROOT_KEY_VARIABLE, RootKey};
pub use sealed_keyring::{KdfParameters, SealedKeyring, WrappedKey, load_sealed, store_sealed};
pub use zeroize::Zeroizing;
