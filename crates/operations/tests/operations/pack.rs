//! A pack whose members vote; the leader goes last.

use std::sync::Arc;

use quorate_model::{ComponentSpec, InstanceObservation, PackName, Refusal, codes};
use quorate_pack::{Catalog, PackRules, QuorumKind, RenderContext, RenderedInstance};

pub(crate) fn catalog() -> Catalog {
    let packs: [Arc<dyn PackRules>; 1] = [Arc::new(Voting)];
    Catalog::new(packs)
}

struct Voting;

impl PackRules for Voting {
    fn name(&self) -> PackName {
        PackName::new("voting").unwrap()
    }

    fn validate(&self, _: &ComponentSpec) -> Result<(), Vec<Refusal>> {
        Ok(())
    }

    fn render(&self, _: &RenderContext<'_>) -> Result<RenderedInstance, Refusal> {
        Err(Refusal::new(codes::INTERNAL, "nothing is rendered here"))
    }

    fn quorum(&self) -> QuorumKind {
        QuorumKind::Majority
    }

    fn leader_goes_last(&self) -> bool {
        true
    }

    fn caught_up(
        &self,
        _: &InstanceObservation,
        leader: Option<&InstanceObservation>,
    ) -> Result<(), String> {
        leader.map(|_| ()).ok_or_else(|| "no member is seen to lead".to_owned())
    }
}
