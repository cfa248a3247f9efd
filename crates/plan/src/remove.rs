//! Removing a component: stopped, awaited, forgotten; its data folders stay.

use quorate_model::{
    ComponentName, Condition, DesireChange, InstanceName, OperationRequest, Plan, Refusal,
    RunState, StepKind, Undo,
};

use crate::{
    Facts,
    condition::View,
    planner::{desire, over, wait},
};

pub(crate) fn plan(
    request: &OperationRequest,
    component: &ComponentName,
    facts: &Facts<'_>,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(facts, component).map_err(|refusal| vec![refusal])?;
    let silent = view.silent_nodes();
    if !silent.is_empty() {
        return Err(silent);
    }
    let mut steps = Vec::new();
    for instance in &view.spec().instances {
        steps.push(desire(
            DesireChange::Stop { instance: instance.name.clone() },
            format!("Stop `{}`", instance.name),
            "Removing a component ends its service; that was asked for.".to_owned(),
            run_again(&view, &instance.name),
        ));
    }
    steps.push(wait(
        Condition::AllStopped { component: component.clone() },
        format!("Await that every process of `{component}` has stopped"),
        "A component is forgotten only when nothing of it runs.".to_owned(),
    ));
    steps.push(desire(
        DesireChange::Forget { component: component.clone() },
        format!("Forget `{component}`"),
        "Its folders stay on their hosts, so its data can be looked at or removed by hand."
            .to_owned(),
        Undo::Impossible,
    ));
    Ok(over(request, component, facts, steps))
}

/// Aborting brings back what ran, and nothing that stood still before.
fn run_again(view: &View<'_>, instance: &InstanceName) -> Undo {
    match view.component.instances.get(instance) {
        Some(record) if record.run == RunState::Running => Undo::Do {
            kind: Box::new(StepKind::Desire {
                change: DesireChange::Run { instance: instance.clone() },
            }),
        },
        _ => Undo::Nothing,
    }
}
