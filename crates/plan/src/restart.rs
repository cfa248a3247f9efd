//! The rolling restart: followers first, the leader last and only after its leadership moved.

use quorate_model::{
    ComponentName, Condition, DesireChange, InstanceName, MemberAction, OperationRequest, Plan,
    Refusal, Step, StepKind, Undo, codes,
};
use quorate_pack::QuorumKind;

use crate::{
    Facts,
    condition::View,
    judge,
    planner::{ACTION_DEADLINE_MS, desire, over, require, verify, wait},
};

pub(crate) fn plan(
    request: &OperationRequest,
    component: &ComponentName,
    accept_interruption: bool,
    facts: &Facts<'_>,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(facts, component).map_err(|refusal| vec![refusal])?;
    let members: Vec<&InstanceName> =
        view.spec().instances.iter().map(|instance| &instance.name).collect();
    match preflight(&view, component, &members, facts) {
        // What can be restarted without an interruption is, even where one was accepted.
        Ok(()) => {}
        Err(_) if accept_interruption => {
            let silent = view.silent_nodes();
            if !silent.is_empty() {
                return Err(silent);
            }
            return Ok(over(request, component, facts, interrupting(component, &members)));
        }
        Err(refusals) => return Err(refusals),
    }
    let order = restart_order(&view, &members);
    let leader = view.leader().map(|(name, _)| name);
    let mut steps = Vec::new();
    for member in &order {
        let leads_now = leader == Some(*member);
        steps.extend(one_member(&view, component, member, &order, leads_now));
    }
    steps.push(verify(
        Condition::Whole { component: component.clone() },
        format!("Verify that `{component}` is whole"),
        "The end state is looked at once more: every member healthy, one leader, one membership."
            .to_owned(),
    ));
    Ok(over(request, component, facts, steps))
}

/// Everything that must hold before the first step: each member can be spared, all are healthy.
fn preflight(
    view: &View<'_>,
    component: &ComponentName,
    members: &[&InstanceName],
    facts: &Facts<'_>,
) -> Result<(), Vec<Refusal>> {
    if members.len() == 1 {
        return Err(vec![
            Refusal::new(
                codes::INTERRUPTION_CERTAIN,
                format!("cannot restart `{component}` without interrupting it"),
            )
            .cause("it has a single instance; while that restarts, nothing serves")
            .hint(format!(
                "accept that: quorate component restart {component} --accept-interruption"
            )),
        ]);
    }
    let mut refusals = Vec::new();
    for member in members {
        let condition =
            Condition::QuorumWithout { component: component.clone(), instance: (*member).clone() };
        if let Err(refusal) = judge(&condition, facts) {
            let refusal = Refusal {
                message: format!(
                    "cannot restart `{component}`: taking `{member}` away would lose its quorum"
                ),
                ..refusal
            };
            if !refusals.iter().any(|known: &Refusal| known.cause == refusal.cause) {
                refusals.push(refusal);
            }
        }
    }
    for member in members {
        if let Err(refusal) = view.healthy(member) {
            refusals.push(refusal);
        }
    }
    let leaderless = view.rules.quorum() == QuorumKind::Majority && view.leader().is_none();
    if leaderless && refusals.is_empty() {
        refusals.push(
            Refusal::new(codes::QUORUM_LOST, format!("no ready member of `{component}` leads"))
                .hint(format!("look at it: quorate component show {component}")),
        );
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

/// Followers in the order of the specification, the leader at the end.
fn restart_order<'a>(view: &View<'a>, members: &[&'a InstanceName]) -> Vec<&'a InstanceName> {
    let leader = view.leader().map(|(name, _)| name);
    let leads = |name: &InstanceName| view.rules.leader_goes_last() && Some(name) == leader;
    let mut order: Vec<&InstanceName> = members.to_vec();
    order.sort_by_key(|name| leads(name));
    order
}

fn one_member(
    view: &View<'_>,
    component: &ComponentName,
    member: &InstanceName,
    order: &[&InstanceName],
    leads_now: bool,
) -> Vec<Step> {
    let total = order.len();
    let needed = view.needed();
    let mut steps = vec![require(
        Condition::QuorumWithout { component: component.clone(), instance: member.clone() },
        format!("Require that `{component}` keeps its quorum without `{member}`"),
        format!(
            "While `{member}` restarts, {} of {total} members remain and {needed} are needed; \
             counted on fresh observations just before the restart.",
            total - 1
        ),
    )];
    if view.rules.leader_goes_last() {
        steps.push(away_from(component, member, order, leads_now));
        steps.push(require(
            Condition::NotLeading { component: component.clone(), instance: member.clone() },
            format!("Require that `{member}` does not lead"),
            "Looked at once more just before the restart: leadership may have come back while the \
             operation stood still."
                .to_owned(),
        ));
    }
    steps.push(desire(
        DesireChange::Restart { instance: member.clone() },
        format!("Restart `{member}`"),
        "One member at a time: the others go on serving. The order carries a generation, so the \
         member is restarted once, whatever happens to the masters."
            .to_owned(),
        Undo::Nothing,
    ));
    steps.push(wait(
        Condition::CaughtUp { component: component.clone(), instance: member.clone() },
        format!("Await that `{member}` is healthy and has caught up"),
        "The next member is touched only when this one counts towards the quorum again and has \
         stayed so."
            .to_owned(),
    ));
    steps
}

/// Moves leadership to the member that was restarted first, or, for a follower, makes sure that
/// leadership has not come to it since the plan was made.
fn away_from(
    component: &ComponentName,
    member: &InstanceName,
    order: &[&InstanceName],
    leads_now: bool,
) -> Step {
    let to = if leads_now {
        order[0]
    } else {
        order.last().copied().filter(|last| *last != member).unwrap_or(order[0])
    };
    let (title, why) = if leads_now {
        (
            format!("Move leadership from `{member}` to `{to}`"),
            format!(
                "`{member}` leads. Moved by the component's own means, leadership changes hands \
                 within milliseconds; stopping a leader would cost an election. `{to}` was \
                 restarted already."
            ),
        )
    } else {
        (
            format!("See to it that `{member}` does not lead"),
            format!(
                "It did not when this plan was made. Should leadership have come to it since, it \
                 is moved to `{to}` first."
            ),
        )
    };
    Step {
        kind: StepKind::Member {
            component: component.clone(),
            via: member.clone(),
            action: MemberAction::TransferLeadership { away_from: member.clone(), to: to.clone() },
        },
        title,
        why,
        deadline_ms: ACTION_DEADLINE_MS,
        undo: Undo::Nothing,
    }
}

/// The plan for a component that cannot be restarted without an interruption, once a person has
/// accepted that.
fn interrupting(component: &ComponentName, members: &[&InstanceName]) -> Vec<Step> {
    let mut steps = vec![require(
        Condition::NodesReporting { component: component.clone() },
        format!("Require that every node of `{component}` reports"),
        "An order to a silent node would not be obeyed.".to_owned(),
    )];
    for member in members {
        steps.push(desire(
            DesireChange::Restart { instance: (*member).clone() },
            format!("Restart `{member}`"),
            "The interruption was accepted with --accept-interruption.".to_owned(),
            Undo::Nothing,
        ));
    }
    steps.push(wait(
        Condition::Whole { component: component.clone() },
        format!("Await that `{component}` is whole"),
        "All members together can form the quorum again.".to_owned(),
    ));
    steps
}
