//! Two small packs: one whose members vote, one whose instances serve each on its own.

use std::sync::Arc;

use quorate_model::{ComponentSpec, InstanceObservation, MemberRole, PackName, Refusal, codes};
use quorate_pack::{Catalog, PackRules, QuorumKind, RenderContext, RenderedInstance};

pub(crate) fn catalog() -> Catalog {
    let packs: [Arc<dyn PackRules>; 2] = [Arc::new(Voting), Arc::new(Serving)];
    Catalog::new(packs)
}

/// Votes, and moves its leadership before the leader restarts.
struct Voting;

impl PackRules for Voting {
    fn name(&self) -> PackName {
        PackName::new("voting").unwrap()
    }

    fn validate(&self, spec: &ComponentSpec) -> Result<(), Vec<Refusal>> {
        let unknown: Vec<Refusal> = spec
            .settings
            .keys()
            .map(|key| {
                Refusal::new(codes::SPECIFICATION_INVALID, format!("there is no setting `{key}`"))
            })
            .collect();
        if unknown.is_empty() { Ok(()) } else { Err(unknown) }
    }

    fn render(&self, _: &RenderContext<'_>) -> Result<RenderedInstance, Refusal> {
        Err(Refusal::new(codes::INTERNAL, "plans do not render"))
    }

    fn quorum(&self) -> QuorumKind {
        QuorumKind::Majority
    }

    fn leader_goes_last(&self) -> bool {
        true
    }

    fn caught_up(
        &self,
        member: &InstanceObservation,
        leader: Option<&InstanceObservation>,
    ) -> Result<(), String> {
        let own = member.member.as_ref().ok_or("it says nothing of its consensus")?;
        let led =
            leader.and_then(|leader| leader.member.as_ref()).ok_or("no member is seen to lead")?;
        if own.role == MemberRole::Learner {
            return Err("it is a learner".to_owned());
        }
        if own.applied_index < led.committed_index {
            return Err(format!("applied index {} of {}", own.applied_index, led.committed_index));
        }
        Ok(())
    }
}

/// Serves, and knows of no others.
struct Serving;

impl PackRules for Serving {
    fn name(&self) -> PackName {
        PackName::new("serving").unwrap()
    }

    fn validate(&self, _: &ComponentSpec) -> Result<(), Vec<Refusal>> {
        Ok(())
    }

    fn render(&self, _: &RenderContext<'_>) -> Result<RenderedInstance, Refusal> {
        Err(Refusal::new(codes::INTERNAL, "plans do not render"))
    }

    fn quorum(&self) -> QuorumKind {
        QuorumKind::AnyOne
    }

    fn leader_goes_last(&self) -> bool {
        false
    }

    fn caught_up(
        &self,
        _: &InstanceObservation,
        _: Option<&InstanceObservation>,
    ) -> Result<(), String> {
        Ok(())
    }
}
