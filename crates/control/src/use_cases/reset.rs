//! The reset: confirmed by the hash of its plan, done by an operation.

use quorate_api::rest::{OperationView, PlanView, ResetBody};
use quorate_keyring::identity::hash_password;
use quorate_model::{ClusterAction, OperationRequest, Plan, Refusal, RequestId, StepKind, codes};
use quorate_plan::confirmation;

use super::{access, operations};
use crate::{Control, Permission, Principal, views};

/// The fewest characters of the plan's hash that confirm it.
const HASH_PREFIX: usize = quorate_plan::recovery::HASH_PREFIX;

/// Plans it and changes nothing. The plan tells what is lost, and the hash that confirms it.
///
/// # Errors
/// Every reason why not.
pub async fn plan(control: &Control, principal: &Principal) -> Result<PlanView, Vec<Refusal>> {
    principal.require(Permission::Administer).map_err(|refusal| vec![refusal])?;
    let plan = decide(control).await?;
    Ok(PlanView { confirm: Some(confirmation(&plan)), ..views::plan(&plan) })
}

/// Resets the cluster by an operation.
///
/// # Errors
/// Every reason why not; when it is not confirmed by the plan as it is now.
pub async fn submit(
    control: &Control,
    principal: &Principal,
    body: &ResetBody,
    request_id: Option<RequestId>,
) -> Result<OperationView, Vec<Refusal>> {
    let one = |refusal: Refusal| vec![refusal];
    principal.require(Permission::Administer).map_err(one)?;
    let request = OperationRequest::Reset;
    let key = request_id.as_ref();
    let repeated = operations::submitted(control, principal, key, &request).await;
    if let Some(repeated) = repeated.map_err(one)? {
        return Ok(repeated);
    }
    let mut plan = decide(control).await?;
    confirmed(&plan, &body.confirm).map_err(one)?;
    access::check_new_password(&body.one_time_password).map_err(one)?;
    let password = body.one_time_password.clone();
    let hash = access::hash_off_thread(control, move || hash_password(&password)).await;
    let hash = hash.map_err(one)?.map_err(|error| vec![Refusal::from(&error)])?;
    for step in &mut plan.steps {
        if let StepKind::Cluster { action: ClusterAction::Reset { password_hash, .. } } =
            &mut step.kind
        {
            password_hash.clone_from(&hash);
        }
    }
    operations::submit_plan(control, principal, Permission::Administer, plan, request_id).await
}

async fn decide(control: &Control) -> Result<Plan, Vec<Refusal>> {
    control.looked_around().await;
    control.with_facts(|facts| quorate_plan::plan(&OperationRequest::Reset, facts))
}

fn confirmed(plan: &Plan, given: &str) -> Result<(), Refusal> {
    let hash = confirmation(plan);
    if given.len() >= HASH_PREFIX && hash.starts_with(given) {
        return Ok(());
    }
    let cause = if given.is_empty() {
        "no hash was given".to_owned()
    } else {
        format!("`{given}` is not the hash of the plan as it is now, or too few of its characters")
    };
    Err(Refusal::new(codes::RESET_NOT_CONFIRMED, "the reset is not confirmed; nothing was changed")
        .cause(cause)
        .hint("read the plan, then give its hash: quorate reset --plan"))
}
