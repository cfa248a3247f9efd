//! What the doctor of a master needs of the world around it: its host, and a way to ask the other
//! masters themselves.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use quorate_api::rest::DoctorView;
use quorate_model::{HostCheckup, NodeId};
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
        let _ = self.doctor.surroundings.set(surroundings);
    }

    /// The world around it; `None` in tests that have none.
    pub(crate) fn surroundings(&self) -> Option<Arc<dyn Surroundings>> {
        self.doctor.surroundings.get().cloned()
    }
}
