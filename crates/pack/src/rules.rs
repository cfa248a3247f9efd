//! The pure half of a pack.

use std::{collections::BTreeMap, sync::Arc};

use quorate_model::{ComponentSpec, InstanceObservation, PackName, Refusal};

use crate::{RenderContext, RenderedInstance};

/// What "enough members" means for a kind of component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuorumKind {
    /// The members vote among themselves: a majority of all voting members must be up.
    Majority,
    /// Independent instances: at least one of several must be up; a single one has no tolerance.
    AnyOne,
}

/// What Quorate knows of a kind of component, without doing anything: no I/O, no clock.
pub trait PackRules: Send + Sync {
    /// The pack's name.
    fn name(&self) -> PackName;

    /// Whether a specification makes sense, with every problem it has.
    ///
    /// # Errors
    /// One refusal for each problem, naming the setting and what it may be.
    fn validate(&self, spec: &ComponentSpec) -> Result<(), Vec<Refusal>>;

    /// Files, command, environment, ports of one instance.
    ///
    /// # Errors
    /// When the specification cannot be rendered; `validate` would have said the same.
    fn render(&self, context: &RenderContext<'_>) -> Result<RenderedInstance, Refusal>;

    /// What a quorum means.
    fn quorum(&self) -> QuorumKind;

    /// Whether the member that leads goes last in a rolling change, after its leadership was
    /// moved away.
    fn leader_goes_last(&self) -> bool;

    /// Settings whose values only those may see who may change things, such as an environment
    /// with a password in it.
    fn confidential_settings(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether the member has caught up with `leader`; `Err` says by how much it lags, in words.
    ///
    /// # Errors
    /// The reason, such as `applied index 2998 of 3000`.
    fn caught_up(
        &self,
        member: &InstanceObservation,
        leader: Option<&InstanceObservation>,
    ) -> Result<(), String>;
}

/// The rules of all packs, by name.
#[derive(Clone, Default)]
pub struct Catalog {
    packs: BTreeMap<PackName, Arc<dyn PackRules>>,
}

impl Catalog {
    /// A catalogue of these packs.
    #[must_use]
    pub fn new(packs: impl IntoIterator<Item = Arc<dyn PackRules>>) -> Self {
        Self { packs: packs.into_iter().map(|pack| (pack.name(), pack)).collect() }
    }

    /// The rules of a pack.
    #[must_use]
    pub fn get(&self, name: &PackName) -> Option<&dyn PackRules> {
        self.packs.get(name).map(AsRef::as_ref)
    }

    /// The names of all packs, in order.
    pub fn names(&self) -> impl Iterator<Item = &PackName> {
        self.packs.keys()
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.packs.keys()).finish()
    }
}
