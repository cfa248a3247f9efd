//! Components: what `Desire` steps change.

use std::collections::BTreeSet;

use imbl::OrdMap;
use quorate_model::{
    ComponentName, ComponentSpec, DesireChange, Generation, InstanceName, Refusal, RunState, codes,
};

use super::{Context, not_found};
use crate::{Component, InstanceRecord, State};

/// Makes a desired change and says which generation it was ordered under, if any.
pub(super) fn desire(
    state: &mut State,
    context: &Context<'_>,
    change: &DesireChange,
) -> Result<Option<Generation>, Refusal> {
    match change {
        DesireChange::Create { spec } => create(state, context, spec).map(|()| None),
        DesireChange::Run { instance } => {
            order(state, context, instance, |record, _| record.run = RunState::Running)
        }
        DesireChange::Stop { instance } => {
            order(state, context, instance, |record, _| record.run = RunState::Stopped)
        }
        DesireChange::Restart { instance } => {
            order(state, context, instance, |record, generation| {
                record.run = RunState::Running;
                record.start_generation = generation;
            })
        }
        DesireChange::Forget { component } => forget(state, component).map(|()| None),
    }
}

fn create(state: &mut State, context: &Context<'_>, spec: &ComponentSpec) -> Result<(), Refusal> {
    if state.metadata.components.contains_key(&spec.name) {
        return Err(taken(format!("the component `{}` exists already", spec.name)));
    }
    let mut names = BTreeSet::new();
    for instance in &spec.instances {
        if !names.insert(&instance.name) || state.metadata.instance_exists(&instance.name) {
            return Err(taken(format!("an instance `{}` exists already", instance.name)));
        }
        let is_node_manager =
            state.metadata.nodes.get(&instance.node).is_some_and(|node| node.roles.node_manager);
        if !is_node_manager {
            return Err(not_found(format!("node manager {}", instance.node)));
        }
    }
    let mut instances = OrdMap::new();
    for instance in &spec.instances {
        let generation = next_generation(state);
        instances.insert(
            instance.name.clone(),
            InstanceRecord {
                run: RunState::Stopped,
                generation,
                start_generation: generation,
                first_generation: generation,
            },
        );
    }
    state.metadata.components.insert(
        spec.name.clone(),
        Component {
            spec: spec.clone(),
            revision: context.revision(),
            created_at: context.proposal.at,
            instances,
        },
    );
    Ok(())
}

fn order(
    state: &mut State,
    context: &Context<'_>,
    instance: &InstanceName,
    change: impl FnOnce(&mut InstanceRecord, Generation),
) -> Result<Option<Generation>, Refusal> {
    let owner = state
        .metadata
        .components
        .iter()
        .find(|(_, component)| component.instances.contains_key(instance))
        .map(|(name, _)| name.clone());
    let Some(owner) = owner else {
        return Err(not_found(format!("instance `{instance}`")));
    };
    let generation = next_generation(state);
    if let Some(component) = state.metadata.components.get_mut(&owner) {
        component.revision = context.revision();
        if let Some(record) = component.instances.get_mut(instance) {
            record.generation = generation;
            change(record, generation);
        }
    }
    Ok(Some(generation))
}

fn forget(state: &mut State, component: &ComponentName) -> Result<(), Refusal> {
    let Some(known) = state.metadata.components.get(component) else {
        return Ok(());
    };
    let wanted = known.instances.iter().find(|(_, record)| record.run == RunState::Running);
    if let Some((instance, _)) = wanted {
        return Err(Refusal::new(
            codes::IN_USE,
            format!("the component `{component}` cannot be forgotten"),
        )
        .cause(format!("its instance `{instance}` shall run"))
        .hint("stop its instances first"));
    }
    state.metadata.components.remove(component);
    Ok(())
}

/// A generation that was never given out before, to whatever.
pub(super) fn next_generation(state: &mut State) -> Generation {
    let next = state.metadata.last_generation.next();
    state.metadata.last_generation = next;
    next
}

fn taken(message: String) -> Refusal {
    Refusal::new(codes::NAME_TAKEN, message).hint("choose another name")
}
