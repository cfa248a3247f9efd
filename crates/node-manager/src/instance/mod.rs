//! One instance on this host: an actor that makes the order true, a prober, and their parts.

mod actor;
mod backoff;
mod certificates;
mod decision;
mod observed;
mod prepare;
mod prober;
mod starts;
mod x509_lifetime;

use std::{path::PathBuf, sync::Arc, time::Duration};

use quorate_model::{Clock, DesiredInstance};
use quorate_pack::{Catalog, InstanceContext};
use quorate_packs::DriverCatalog;
use quorate_supervisor::Supervisor;

pub(crate) use self::{actor::Actor, starts::History, x509_lifetime::Lifetime};
use crate::{board::Board, link::Link};

/// What all instances of a host share.
pub(crate) struct Host {
    pub(crate) supervisor: Supervisor,
    pub(crate) catalog: Catalog,
    pub(crate) drivers: DriverCatalog,
    pub(crate) board: Arc<Board>,
    pub(crate) link: Link,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) probe_every: Duration,
}

/// What a driver is told of an instance.
pub(crate) fn context_of(desired: &DesiredInstance, folder: PathBuf) -> InstanceContext {
    InstanceContext {
        component: desired.component.clone(),
        instance: desired.instance.clone(),
        addresses: desired.addresses.clone(),
        folder,
    }
}
