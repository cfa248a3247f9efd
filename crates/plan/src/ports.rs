//! Which TCP ports would be listened on twice on one host.

use std::{collections::BTreeMap, path::PathBuf};

use quorate_model::{ComponentSpec, InstanceSpec, NodeId, Refusal, codes};
use quorate_pack::{PackRules, RenderContext};

use crate::Facts;

/// Who listens, or will, by host and port. Two nodes of one address are one host.
type Taken = BTreeMap<(String, u16), String>;

/// A refusal for every port of the new component's instances that somebody has on that host: a
/// node itself, an instance of another component, one that was let go, or one of its own.
pub(crate) fn clashes(
    spec: &ComponentSpec,
    rules: &dyn PackRules,
    facts: &Facts<'_>,
) -> Vec<Refusal> {
    let mut taken = taken(facts);
    let mut refusals = Vec::new();
    for instance in &spec.instances {
        let (Some(node), ports) = (
            facts.state.metadata.nodes.get(&instance.node),
            ports_of(spec, instance, rules, facts),
        ) else {
            continue;
        };
        let ports = match ports {
            Ok(ports) => ports,
            Err(refusal) => {
                if !refusals.contains(&refusal) {
                    refusals.push(refusal);
                }
                continue;
            }
        };
        for port in ports {
            let owner = format!("instance `{}` of `{}`", instance.name, spec.name);
            let Some(other) = taken.insert((node.address.clone(), port), owner) else { continue };
            refusals.push(
                Refusal::new(
                    codes::PORT_CLASH,
                    format!("`{}` cannot have port {port} on `{}`", instance.name, node.name),
                )
                .cause(format!("{other} has it on that host ({})", node.address))
                .hint("give it another port in its settings, or place it on another host"),
            );
        }
    }
    refusals
}

/// What nodes and components listen on now, or will once they run.
fn taken(facts: &Facts<'_>) -> Taken {
    let metadata = &facts.state.metadata;
    let mut taken = Taken::new();
    for node in metadata.nodes.values() {
        for (addr, what) in [(&node.admin_addr, "admin"), (&node.internal_addr, "internal")] {
            let Some((host, port)) = addr.rsplit_once(':') else { continue };
            let Ok(port) = port.parse() else { continue };
            let host = host.trim_start_matches('[').trim_end_matches(']');
            for host in [host, &node.address] {
                let owner = format!("the {what} port of node `{}`", node.name);
                taken.insert((host.to_owned(), port), owner);
            }
        }
    }
    for (node, left) in &facts.observations.unmanaged {
        let Some(node) = metadata.nodes.get(node) else { continue };
        for left in left {
            for port in &left.ports {
                let owner = format!("the unmanaged process {} of `{}`", left.pid, left.instance);
                taken.insert((node.address.clone(), *port), owner);
            }
        }
    }
    for component in metadata.components.values() {
        let spec = &component.spec;
        let Some(rules) = facts.catalog.get(&spec.pack) else { continue };
        for instance in &spec.instances {
            let Some(node) = metadata.nodes.get(&instance.node) else { continue };
            // What cannot be rendered cannot be started, and so listens on nothing.
            for port in ports_of(spec, instance, rules, facts).unwrap_or_default() {
                let owner = format!("instance `{}` of `{}`", instance.name, spec.name);
                taken.insert((node.address.clone(), port), owner);
            }
        }
    }
    taken
}

fn ports_of(
    spec: &ComponentSpec,
    instance: &InstanceSpec,
    rules: &dyn PackRules,
    facts: &Facts<'_>,
) -> Result<Vec<u16>, Refusal> {
    let addresses: BTreeMap<NodeId, String> = facts.state.metadata.addresses_of(spec);
    let context = RenderContext {
        component: spec,
        instance: &instance.name,
        addresses: &addresses,
        // Ports do not depend on where the instance's folder is.
        folder: PathBuf::from("/"),
    };
    rules.render(&context).map(|rendered| rendered.ports)
}
