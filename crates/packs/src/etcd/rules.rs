//! What an etcd cluster may look like, and when one of its members has caught up.

use quorate_model::{
    ComponentSpec, InstanceObservation, MemberRole, PackName, Refusal, codes, failure_tolerance,
};
use quorate_pack::{PackRules, QuorumKind, RenderContext, RenderedInstance};

use super::{
    render::render,
    settings::{KNOWN, Settings},
};
use crate::{
    catalog::pack_name,
    setting_reader::{add_new, refuse_shared_ports, refuse_unknown},
};

/// How far a member's applied index may lie behind the leader's newest one: an entry may be
/// committed between the two observations.
const LAG_MAX: u64 = 1;

/// The rules of the etcd pack.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules;

impl PackRules for Rules {
    fn name(&self) -> PackName {
        pack_name("etcd")
    }

    fn validate(&self, spec: &ComponentSpec) -> Result<(), Vec<Refusal>> {
        let mut refusals = refuse_unknown(spec, KNOWN);
        refusals.extend(refuse_size(spec));
        let mut ports = Vec::new();
        for instance in &spec.instances {
            match Settings::read(spec, instance) {
                Ok(settings) => {
                    ports.push((instance, format!("node {}", instance.node), settings.ports()));
                }
                Err(more) => add_new(&mut refusals, more),
            }
        }
        add_new(&mut refusals, refuse_shared_ports(ports));
        if refusals.is_empty() { Ok(()) } else { Err(refusals) }
    }

    fn render(&self, context: &RenderContext<'_>) -> Result<RenderedInstance, Refusal> {
        render(context)
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
        let own = member
            .member
            .as_ref()
            .ok_or_else(|| format!("`{}` does not say where it stands", member.instance))?;
        let (leader, led) = leader
            .and_then(|leader| Some((leader, leader.member.as_ref()?)))
            .filter(|(_, led)| led.role == MemberRole::Leader)
            .ok_or("no member is seen to lead")?;
        if own.role == MemberRole::Learner {
            return Err("it is a learner: it has no vote yet".to_owned());
        }
        if own.term != led.term {
            return Err(format!(
                "it is at term {}, and the leader `{}` at term {}",
                own.term, leader.instance, led.term
            ));
        }
        if own.applied_index.saturating_add(LAG_MAX) < led.committed_index {
            return Err(format!(
                "applied index {} of {} at the leader `{}`",
                own.applied_index, led.committed_index, leader.instance
            ));
        }
        Ok(())
    }
}

/// A static cluster has 1, 3 or 5 members.
fn refuse_size(spec: &ComponentSpec) -> Option<Refusal> {
    let members = spec.instances.len();
    let cause = match members {
        1 | 3 | 5 => return None,
        0 => "without a member there is nothing to run".to_owned(),
        even if even % 2 == 0 => format!(
            "{even} members survive {} failures, no more than {} would, and are one more host that \
             can fail",
            failure_tolerance(even, even).unwrap_or(0),
            even - 1
        ),
        _ => {
            "every write waits for a majority, so that more than 5 members only slow it".to_owned()
        }
    };
    Some(
        Refusal::new(
            codes::SPECIFICATION_INVALID,
            format!("etcd cluster `{}` cannot have {members} members", spec.name),
        )
        .cause(cause)
        .hint("name 1, 3 or 5 instances, each on a node of its own where that is possible"),
    )
}
