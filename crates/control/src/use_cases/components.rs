//! Components: looking at them, creating, restarting and removing them.

use quorate_api::rest::{ComponentSpecBody, ComponentView, OperationView, PlanView, RestartBody};
use quorate_model::{
    ComponentName, ComponentSpec, InstanceName, InstanceSpec, NodeId, NodeName, OperationRequest,
    PackName, Refusal, SettingValue, codes,
};
use quorate_state::State;

use super::operations;
use crate::{Control, Permission, Principal, views};

/// What stands in the place of a value that somebody may not see.
const HIDDEN: &str = "(hidden)";

/// All components, as the leader sees them.
///
/// # Errors
/// When the principal may not see them.
pub fn list(control: &Control, principal: &Principal) -> Result<Vec<ComponentView>, Refusal> {
    principal.require(Permission::Read)?;
    let mut components: Vec<ComponentView> = control.with_facts(|facts| {
        let names = facts.state.metadata.components.keys();
        names.filter_map(|name| views::component(name, facts).ok()).collect()
    });
    for component in &mut components {
        hide_what_is_confidential(control, principal, component);
    }
    Ok(components)
}

/// One component, as the leader sees it.
///
/// # Errors
/// When there is no such component.
pub fn show(
    control: &Control,
    principal: &Principal,
    name: &str,
) -> Result<ComponentView, Refusal> {
    principal.require(Permission::Read)?;
    let name = parse_component(name)?;
    let mut component = control.with_facts(|facts| views::component(&name, facts))?;
    hide_what_is_confidential(control, principal, &mut component);
    Ok(component)
}

/// Who may change nothing sees the names of such settings, and not their values.
fn hide_what_is_confidential(
    control: &Control,
    principal: &Principal,
    component: &mut ComponentView,
) {
    if principal.require(Permission::Operate).is_ok() {
        return;
    }
    let pack = PackName::new(component.pack.clone()).ok();
    let Some(rules) = pack.as_ref().and_then(|pack| control.shared.parts.catalog.get(pack)) else {
        return;
    };
    for name in rules.confidential_settings() {
        match component.settings.get_mut(*name) {
            Some(SettingValue::Object(values)) => {
                values.values_mut().for_each(|value| *value = SettingValue::from(HIDDEN));
            }
            Some(value) => *value = SettingValue::from(HIDDEN),
            None => {}
        }
    }
}

/// Plans the creation of a component.
///
/// # Errors
/// Every reason why not.
pub async fn plan_create(
    control: &Control,
    principal: &Principal,
    body: &ComponentSpecBody,
) -> Result<PlanView, Vec<Refusal>> {
    principal.require(Permission::Read).map_err(|refusal| vec![refusal])?;
    let spec = resolve(&control.state(), body)?;
    operations::plan(control, principal, &OperationRequest::ComponentCreate { spec }).await
}

/// Creates a component by an operation.
///
/// # Errors
/// Every reason why not.
pub async fn create(
    control: &Control,
    principal: &Principal,
    body: &ComponentSpecBody,
    request_id: Option<quorate_model::RequestId>,
) -> Result<OperationView, Vec<Refusal>> {
    principal.require(Permission::Operate).map_err(|refusal| vec![refusal])?;
    let spec = resolve(&control.state(), body)?;
    let request = OperationRequest::ComponentCreate { spec };
    operations::submit(control, principal, request, request_id).await
}

/// Plans a rolling restart.
///
/// # Errors
/// Every reason why not.
pub async fn plan_restart(
    control: &Control,
    principal: &Principal,
    name: &str,
    body: &RestartBody,
) -> Result<PlanView, Vec<Refusal>> {
    operations::plan(control, principal, &restart_request(name, body)?).await
}

/// Restarts a component by an operation.
///
/// # Errors
/// Every reason why not.
pub async fn restart(
    control: &Control,
    principal: &Principal,
    name: &str,
    body: &RestartBody,
    request_id: Option<quorate_model::RequestId>,
) -> Result<OperationView, Vec<Refusal>> {
    operations::submit(control, principal, restart_request(name, body)?, request_id).await
}

fn restart_request(name: &str, body: &RestartBody) -> Result<OperationRequest, Vec<Refusal>> {
    Ok(OperationRequest::ComponentRestart {
        component: parse_component(name).map_err(|refusal| vec![refusal])?,
        accept_interruption: body.accept_interruption,
    })
}

/// Plans a removal.
///
/// # Errors
/// Every reason why not.
pub async fn plan_remove(
    control: &Control,
    principal: &Principal,
    name: &str,
) -> Result<PlanView, Vec<Refusal>> {
    let component = parse_component(name).map_err(|refusal| vec![refusal])?;
    operations::plan(control, principal, &OperationRequest::ComponentRemove { component }).await
}

/// Removes a component by an operation.
///
/// # Errors
/// Every reason why not.
pub async fn remove(
    control: &Control,
    principal: &Principal,
    name: &str,
    request_id: Option<quorate_model::RequestId>,
) -> Result<OperationView, Vec<Refusal>> {
    let component = parse_component(name).map_err(|refusal| vec![refusal])?;
    let request = OperationRequest::ComponentRemove { component };
    operations::submit(control, principal, request, request_id).await
}

/// The end of an instance's log, through its node manager.
///
/// # Errors
/// When there is no such instance or its node manager does not answer.
pub async fn logs(
    control: &Control,
    principal: &Principal,
    component: &str,
    instance: &str,
    max_bytes: u64,
) -> Result<Vec<u8>, Refusal> {
    principal.require(Permission::Read)?;
    let component = parse_component(component)?;
    let instance = InstanceName::new(instance)
        .map_err(|error| Refusal::new(codes::REQUEST_MALFORMED, error.to_string()))?;
    let state = control.state();
    let node = state
        .metadata
        .components
        .get(&component)
        .and_then(|known| known.spec.instance(&instance))
        .map(|placed| placed.node)
        .ok_or_else(|| {
            Refusal::new(codes::NOT_FOUND, format!("`{component}` has no instance `{instance}`"))
        })?;
    control.fetch_log(node, &instance, max_bytes).await
}

pub(crate) fn parse_component(name: &str) -> Result<ComponentName, Refusal> {
    ComponentName::new(name)
        .map_err(|error| Refusal::new(codes::REQUEST_MALFORMED, error.to_string()))
}

/// Turns names into ids; says everything that is wrong at once.
fn resolve(state: &State, body: &ComponentSpecBody) -> Result<ComponentSpec, Vec<Refusal>> {
    let invalid = |message: String| Refusal::new(codes::SPECIFICATION_INVALID, message);
    let mut refusals = Vec::new();
    let name = ComponentName::new(body.name.as_str());
    let pack = PackName::new(body.pack.as_str());
    let mut instances = Vec::new();
    for (number, instance) in (1..).zip(&body.instances) {
        let text = instance.name.clone().unwrap_or_else(|| format!("{}-{number}", body.name));
        match (InstanceName::new(text), find_node(state, &instance.node)) {
            (Ok(name), Some(node)) => {
                instances.push(InstanceSpec { name, node, settings: instance.settings.clone() })
            }
            (name, node) => {
                refusals.extend(name.err().map(|error| invalid(error.to_string())));
                if node.is_none() {
                    refusals.push(
                        Refusal::new(
                            codes::NOT_FOUND,
                            format!("there is no node `{}`", instance.node),
                        )
                        .hint("list them with: quorate node list"),
                    );
                }
            }
        }
    }
    match (name, pack) {
        (Ok(name), Ok(pack)) if refusals.is_empty() => {
            Ok(ComponentSpec { name, pack, instances, settings: body.settings.clone() })
        }
        (name, pack) => {
            refusals.extend(name.err().map(|error| invalid(error.to_string())));
            refusals.extend(pack.err().map(|error| invalid(error.to_string())));
            Err(refusals)
        }
    }
}

/// The living node of that name or id.
pub(super) fn find_node(state: &State, text: &str) -> Option<NodeId> {
    let by_name = NodeName::new(text).ok().and_then(|name| state.metadata.node_named(&name));
    if let Some((id, _)) = by_name {
        return Some(id);
    }
    text.parse().ok().filter(|id| state.metadata.nodes.contains_key(id))
}
