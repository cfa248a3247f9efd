//! Two small packs for tests of planners and engines: one whose members vote, one whose instances
//! serve each on its own. Behind the feature `fakes`, so that no product holds them.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use quorate_model::{
    ComponentSpec, InstanceObservation, MemberRole, PackName, Refusal, SettingValue, codes,
};

use crate::{
    Catalog, LogRotation, PackRules, QuorumKind, RenderContext, RenderedInstance, StopSignal,
};

/// Both packs: `voting` and `serving`. Either has one setting, `port`, of an instance or of all.
#[must_use]
pub fn catalog() -> Catalog {
    let packs: [Arc<dyn PackRules>; 2] = [Arc::new(Voting), Arc::new(Serving)];
    Catalog::new(packs)
}

/// The one setting.
const PORT: &str = "port";

#[expect(clippy::expect_used, reason = "the two names are written above")]
fn name(text: &str) -> PackName {
    PackName::new(text).expect("a valid name")
}

/// A process that listens on its port, if it has one.
fn render(context: &RenderContext<'_>) -> RenderedInstance {
    let own = context.component.instance(context.instance);
    let setting = own
        .and_then(|instance| instance.settings.get(PORT))
        .or_else(|| context.component.settings.get(PORT));
    let port = setting.and_then(SettingValue::as_u64).and_then(|port| u16::try_from(port).ok());
    RenderedInstance {
        command: vec!["/bin/true".to_owned()],
        env: BTreeMap::new(),
        working_dir: PathBuf::from("/"),
        files: Vec::new(),
        folders: Vec::new(),
        certificates: Vec::new(),
        stop_signal: StopSignal::Term,
        stop_grace_ms: 1_000,
        ports: port.into_iter().collect(),
        log_rotation: LogRotation::default(),
    }
}

/// Votes, and moves its leadership before the leader restarts.
struct Voting;

impl PackRules for Voting {
    fn name(&self) -> PackName {
        name("voting")
    }

    fn validate(&self, spec: &ComponentSpec) -> Result<(), Vec<Refusal>> {
        let unknown: Vec<Refusal> = spec
            .settings
            .keys()
            .filter(|key| *key != PORT)
            .map(|key| {
                Refusal::new(codes::SPECIFICATION_INVALID, format!("there is no setting `{key}`"))
            })
            .collect();
        if unknown.is_empty() { Ok(()) } else { Err(unknown) }
    }

    fn render(&self, context: &RenderContext<'_>) -> Result<RenderedInstance, Refusal> {
        Ok(render(context))
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
        name("serving")
    }

    fn validate(&self, _: &ComponentSpec) -> Result<(), Vec<Refusal>> {
        Ok(())
    }

    fn render(&self, context: &RenderContext<'_>) -> Result<RenderedInstance, Refusal> {
        Ok(render(context))
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
