//! The packs there are: their rules for the planner, their drivers for the node manager.

use std::{collections::BTreeMap, fmt, sync::Arc};

use quorate_model::PackName;
use quorate_pack::{Catalog, PackDriver, PackRules};

use crate::{etcd, process};

/// The rules of every pack.
#[must_use]
pub fn catalog() -> Catalog {
    let packs: [Arc<dyn PackRules>; 2] = [Arc::new(etcd::Rules), Arc::new(process::Rules)];
    Catalog::new(packs)
}

/// A driver of every pack. Make them once and keep them: they hold connections.
#[must_use]
pub fn drivers() -> Vec<Arc<dyn PackDriver>> {
    vec![Arc::new(etcd::Driver::default()), Arc::new(process::Driver)]
}

/// Drivers by the name of their pack.
#[derive(Clone)]
pub struct DriverCatalog {
    drivers: BTreeMap<PackName, Arc<dyn PackDriver>>,
}

impl DriverCatalog {
    /// A catalogue of these drivers; tests put a fake one in.
    #[must_use]
    pub fn new(drivers: impl IntoIterator<Item = Arc<dyn PackDriver>>) -> Self {
        Self { drivers: drivers.into_iter().map(|driver| (driver.name(), driver)).collect() }
    }

    /// The driver of a pack.
    #[must_use]
    pub fn get(&self, name: &PackName) -> Option<&Arc<dyn PackDriver>> {
        self.drivers.get(name)
    }
}

impl Default for DriverCatalog {
    fn default() -> Self {
        Self::new(drivers())
    }
}

impl fmt::Debug for DriverCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.drivers.keys()).finish()
    }
}

/// A pack's own name, which is a valid one.
#[expect(clippy::expect_used, reason = "the names are literals, and a test reads them all")]
pub(crate) fn pack_name(text: &'static str) -> PackName {
    PackName::new(text).expect("a pack's name is a valid name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pack_has_rules_and_a_driver_of_the_same_name() {
        let rules: Vec<PackName> = catalog().names().cloned().collect();
        let drivers: Vec<PackName> = DriverCatalog::default().drivers.into_keys().collect();
        assert_eq!(rules, drivers);
        assert_eq!(rules.iter().map(PackName::as_str).collect::<Vec<_>>(), ["etcd", "process"]);
    }
}
