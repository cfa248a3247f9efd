//! Restore points on their way to and from storage: encrypted streams, manifests, and the places
//! objects are kept.
//!
//! - [`SealWriter`], [`SealReader`] and [`OpenReader`] encrypt and decrypt streams of any length in
//!   bounded memory; nothing unauthenticated is ever handed on.
//! - [`Manifest`] says what a restore point holds; [`SealedManifest`] is its stored form, which
//!   carries the sealed keyring, so that the root key alone opens it on a fresh host.
//! - [`ArchiveTarget`] is where objects go; [`FolderTarget`] is a folder. Every implementation
//!   passes [`conformance::check`].

pub mod conformance;
mod digest;
mod error;
mod folder;
mod manifest;
mod object;
mod stream;
mod target;

pub use digest::{Digest, DigestReader};
pub use error::ArchiveError;
pub use folder::FolderTarget;
pub use manifest::{Manifest, Part, SealedManifest};
pub use object::{InvalidObjectName, ObjectName};
pub use stream::{OpenReader, SealReader, SealWriter};
pub use target::{ArchiveTarget, ObjectInfo};
