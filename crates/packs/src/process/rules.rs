//! What the process pack allows, and what a quorum of independent processes means.

use quorate_model::{ComponentSpec, InstanceObservation, PackName, Readiness, Refusal, codes};
use quorate_pack::{PackRules, QuorumKind, RenderContext, RenderedInstance};

use super::{
    render::render,
    settings::{KNOWN, Settings},
};
use crate::{
    catalog::pack_name,
    setting_reader::{add_new, refuse_shared_ports, refuse_unknown},
};

/// The rules of the process pack.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules;

impl PackRules for Rules {
    fn name(&self) -> PackName {
        pack_name("process")
    }

    fn validate(&self, spec: &ComponentSpec) -> Result<(), Vec<Refusal>> {
        let mut refusals = refuse_unknown(spec, KNOWN);
        if spec.instances.is_empty() {
            refusals.push(
                Refusal::new(
                    codes::SPECIFICATION_INVALID,
                    format!("component `{}` has no instance", spec.name),
                )
                .hint("name at least one instance and the node it runs on"),
            );
        }
        let mut ports = Vec::new();
        for instance in &spec.instances {
            match Settings::read(spec, instance) {
                Ok(settings) => {
                    let port = settings.port.map(|port| ("port", port));
                    let place = format!("node {}", instance.node);
                    ports.push((instance, place, port.into_iter().collect()));
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
        QuorumKind::AnyOne
    }

    fn leader_goes_last(&self) -> bool {
        false
    }

    fn confidential_settings(&self) -> &'static [&'static str] {
        &["env"]
    }

    /// A process has nothing to catch up with: it has caught up when it serves.
    fn caught_up(
        &self,
        member: &InstanceObservation,
        _leader: Option<&InstanceObservation>,
    ) -> Result<(), String> {
        match &member.readiness {
            Readiness::Ready => Ok(()),
            Readiness::NotReady { reason } => Err(format!("it is not ready: {reason}")),
            Readiness::Unknown { reason } => {
                Err(format!("whether it is ready is unknown: {reason}"))
            }
        }
    }
}
