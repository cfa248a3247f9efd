//! Who leads the masters, on request.

use quorate_api::rest::{OperationView, PlanView, TransferLeaderBody};
use quorate_model::{OperationRequest, Refusal, RequestId};

use super::{nodes::named, operations};
use crate::{Control, Permission, Principal};

/// Plans a transfer of the leadership.
///
/// # Errors
/// Every reason why not.
pub fn plan_transfer(
    control: &Control,
    principal: &Principal,
    body: &TransferLeaderBody,
) -> Result<PlanView, Vec<Refusal>> {
    operations::plan(control, principal, &request(control, principal, body)?)
}

/// Moves the leadership by an operation.
///
/// # Errors
/// Every reason why not.
pub async fn transfer(
    control: &Control,
    principal: &Principal,
    body: &TransferLeaderBody,
    request_id: Option<RequestId>,
) -> Result<OperationView, Vec<Refusal>> {
    principal.require(Permission::Operate).map_err(|refusal| vec![refusal])?;
    let request = request(control, principal, body)?;
    operations::submit(control, principal, request, request_id).await
}

fn request(
    control: &Control,
    principal: &Principal,
    body: &TransferLeaderBody,
) -> Result<OperationRequest, Vec<Refusal>> {
    let to = body.to.as_deref().map(|to| named(control, principal, to)).transpose()?;
    Ok(OperationRequest::MasterTransferLeader { to })
}
