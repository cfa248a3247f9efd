//! Creating a component: recorded, started together, awaited.

use std::collections::BTreeSet;

use quorate_model::{
    ComponentSpec, Condition, DesireChange, InstanceName, NodeId, OperationRequest, Plan, Refusal,
    StepKind, Undo, codes,
};
use quorate_pack::QuorumKind;

use crate::{
    Facts,
    condition::{node_silent, rules_of},
    planner::{desire, over, verify, wait},
    ports,
};

pub(crate) fn plan(
    request: &OperationRequest,
    spec: &ComponentSpec,
    facts: &Facts<'_>,
) -> Result<Plan, Vec<Refusal>> {
    let rules = rules_of(facts.catalog, spec).map_err(|refusal| vec![refusal])?;
    let mut refusals = rules.validate(spec).err().unwrap_or_default();
    refusals.extend(placement(spec, facts));
    refusals.extend(left_running(spec, facts));
    if refusals.is_empty() {
        refusals = ports::clashes(spec, rules, facts);
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let name = &spec.name;
    let mut steps = vec![desire(
        DesireChange::Create { spec: spec.clone() },
        match spec.instances.len() {
            1 => format!("Record `{name}` with its instance, stopped"),
            number => format!("Record `{name}` with {number} instances, stopped"),
        },
        "From here on its names and nodes are its own; nothing runs yet.".to_owned(),
        Undo::Do {
            kind: Box::new(StepKind::Desire {
                change: DesireChange::Forget { component: name.clone() },
            }),
        },
    )];
    for instance in &spec.instances {
        steps.push(desire(
            DesireChange::Run { instance: instance.name.clone() },
            format!("Start `{}` on {}", instance.name, facts.node_name(instance.node)),
            match rules.quorum() {
                QuorumKind::Majority => {
                    "Members of a new cluster are started together: none can serve before a \
                     majority runs."
                }
                QuorumKind::AnyOne => "Its instances serve each on its own.",
            }
            .to_owned(),
            Undo::Do {
                kind: Box::new(StepKind::Desire {
                    change: DesireChange::Stop { instance: instance.name.clone() },
                }),
            },
        ));
    }
    steps.push(wait(
        Condition::Whole { component: name.clone() },
        format!("Await that `{name}` is whole"),
        "Every member serves and all agree.".to_owned(),
    ));
    steps.push(verify(
        Condition::Whole { component: name.clone() },
        format!("Verify that `{name}` is whole"),
        "The end state is looked at once more.".to_owned(),
    ));
    Ok(over(request, name, facts, steps))
}

/// What still runs under a name of the new component, and belongs to nobody. It is neither adopted
/// nor stopped: whose data it serves is for a person to say.
fn left_running(spec: &ComponentSpec, facts: &Facts<'_>) -> Vec<Refusal> {
    let of_node = |node| facts.observations.unmanaged.get(node).into_iter().flatten();
    spec.instances
        .iter()
        .filter_map(|instance| {
            let left = of_node(&instance.node).find(|left| left.instance == instance.name)?;
            let node = facts.node_name(instance.node);
            Some(
                Refusal::new(
                    codes::INSTANCE_LEFT_RUNNING,
                    format!("an earlier `{}` still runs on {node}, unmanaged", instance.name),
                )
                .cause(format!(
                    "process {} of the component `{}` was let go and goes on",
                    left.pid, left.component
                ))
                .hint(format!(
                    "stop it there (kill {}) or choose another name; nothing was changed",
                    left.pid
                )),
            )
        })
        .collect()
}

/// Names must be free and nodes must be there.
fn placement(spec: &ComponentSpec, facts: &Facts<'_>) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let metadata = &facts.state.metadata;
    if metadata.components.contains_key(&spec.name) {
        refusals.push(
            Refusal::new(
                codes::NAME_TAKEN,
                format!("the component `{}` exists already", spec.name),
            )
            .hint("choose another name, or remove it first"),
        );
    }
    if spec.instances.is_empty() {
        refusals.push(Refusal::new(
            codes::SPECIFICATION_INVALID,
            format!("`{}` has no instances", spec.name),
        ));
    }
    let mut names: BTreeSet<&InstanceName> = BTreeSet::new();
    let mut nodes: BTreeSet<NodeId> = BTreeSet::new();
    for instance in &spec.instances {
        if !names.insert(&instance.name) || metadata.instance_exists(&instance.name) {
            refusals.push(Refusal::new(
                codes::NAME_TAKEN,
                format!("there is an instance `{}` already", instance.name),
            ));
        }
        if !nodes.insert(instance.node) {
            // What is wrong with a node is said once.
            continue;
        }
        match metadata.nodes.get(&instance.node) {
            Some(node) if node.roles.node_manager => {
                if !facts.observations.is_reporting(instance.node) {
                    refusals.push(node_silent(&facts.node_name(instance.node)));
                }
            }
            _ => refusals.push(
                Refusal::new(
                    codes::NOT_FOUND,
                    format!("there is no node manager {}", facts.node_name(instance.node)),
                )
                .hint("list them with: quorate node list"),
            ),
        }
    }
    refusals
}
