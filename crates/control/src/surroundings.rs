//! What a master needs of the world around it: its host, the binaries on its disk, and a way to ask
//! the other masters themselves.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use quorate_api::rest::DoctorView;
use quorate_model::{Binary, BinaryDigest, HostCheckup, NodeId, Refusal};
use tokio::{sync::Mutex, time::Instant};

use crate::Control;

/// The world around a master, given to it by whoever starts it.
#[async_trait]
pub trait Surroundings: Send + Sync + 'static {
    /// What the process sees of its own host; `probe` also measures a few small synced writes.
    async fn host(&self, probe: bool) -> HostCheckup;

    /// Where this node stands; empty when that was never said.
    fn zone(&self) -> String;

    /// Reads `path` of the admin interface of another master, over the internal port, as this
    /// master. Gives the body of a successful answer.
    ///
    /// # Errors
    /// Why there was no such answer, in words.
    async fn ask(&self, node: NodeId, addr: &str, path: &str) -> Result<Vec<u8>, String>;

    /// Whether somebody accepts connections at `HOST:PORT`.
    ///
    /// # Errors
    /// Why not, in words.
    async fn connects(&self, addr: &str) -> Result<(), String>;

    /// How far a binary is on this master's disk.
    fn binary(&self, sha256: &BinaryDigest) -> StagedBinary;

    /// Takes in the part of a binary that begins at `offset`, and says how far the binary is then.
    /// A part that does not begin where the binary ends so far changes nothing.
    ///
    /// # Errors
    /// When it cannot be written, or is not fit once it is whole.
    async fn take_binary(
        &self,
        sha256: &BinaryDigest,
        offset: u64,
        size: u64,
        bytes: Vec<u8>,
    ) -> Result<StagedBinary, Refusal>;

    /// The part of a binary that begins at `offset`, and the length of all of it; nothing when this
    /// master does not hold it.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn read_binary(
        &self,
        sha256: &BinaryDigest,
        offset: u64,
    ) -> Result<Option<(Vec<u8>, u64)>, Refusal>;
}

/// How far a binary of Quorate is on a master's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedBinary {
    /// How many bytes are there.
    pub received: u64,
    /// What it is, once it is whole and was looked at.
    pub binary: Option<Binary>,
}

/// What the doctor keeps between two questions. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct DoctorParts {
    surroundings: Arc<OnceLock<Arc<dyn Surroundings>>>,
    pub(crate) last: Arc<Mutex<Option<(Instant, DoctorView)>>>,
}

impl Control {
    /// Tells the control plane of the world around it, once.
    pub fn stand_in(&self, surroundings: Arc<dyn Surroundings>) {
        // The first one stays.
        let _ = self.shared.doctor.surroundings.set(surroundings);
    }

    /// The world around it; `None` in tests that have none.
    pub(crate) fn surroundings(&self) -> Option<Arc<dyn Surroundings>> {
        self.shared.doctor.surroundings.get().cloned()
    }
}
