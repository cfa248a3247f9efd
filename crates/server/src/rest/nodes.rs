//! `/admin/api/nodes`: masters and node managers: looking, restarting, removing, replacing, and
//! who leads.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use quorate_api::rest::{
    MasterView, NodeManagerView, OperationView, PlanView, RemoveNodeBody, ReplaceNodeBody,
    RestartNodesBody, TransferLeaderBody, UpgradeNodesBody,
};
use quorate_control::{
    Control, Principal,
    use_cases::{
        binaries, masters as leadership,
        nodes::{self, NodeOperation},
    },
};
use quorate_model::RequestId;

use super::{
    components::{PlanOption, accepted},
    context::{Body, Caller, Idempotency, Path, Query},
    failure::Failure,
};

/// The masters.
#[utoipa::path(get, path = "/admin/api/nodes/masters", tag = "nodes",
    responses((status = 200, body = Vec<MasterView>)))]
pub(crate) async fn masters(
    State(control): State<Control>,
    Caller(principal): Caller,
) -> Result<Json<Vec<MasterView>>, Failure> {
    Ok(Json(nodes::masters(&control, &principal)?))
}

/// The node managers.
#[utoipa::path(get, path = "/admin/api/nodes/node-managers", tag = "nodes",
    responses((status = 200, body = Vec<NodeManagerView>)))]
pub(crate) async fn node_managers(
    State(control): State<Control>,
    Caller(principal): Caller,
) -> Result<Json<Vec<NodeManagerView>>, Failure> {
    Ok(Json(nodes::node_managers(&control, &principal)?))
}

/// Restarts the processes of nodes one by one, followers before the leader, or shows the plan.
#[utoipa::path(post, path = "/admin/api/nodes/restart", tag = "nodes",
    params(("plan" = Option<bool>, Query), ("Idempotency-Key" = Option<String>, Header)),
    request_body = RestartNodesBody,
    responses((status = 200, body = PlanView), (status = 202, body = OperationView),
        (status = 409, body = quorate_api::ErrorBody)))]
pub(crate) async fn restart(
    State(control): State<Control>,
    Caller(principal): Caller,
    Query(option): Query<PlanOption>,
    Idempotency(request_id): Idempotency,
    Body(body): Body<RestartNodesBody>,
) -> Result<Response, Failure> {
    let operation = NodeOperation::Restart(body);
    run(&control, &principal, &option, &operation, request_id).await
}

/// Replaces the binary that nodes run, one by one, followers before the leader, or shows the plan.
#[utoipa::path(post, path = "/admin/api/nodes/upgrade", tag = "nodes",
    params(("plan" = Option<bool>, Query), ("Idempotency-Key" = Option<String>, Header)),
    request_body = UpgradeNodesBody,
    responses((status = 200, body = PlanView), (status = 202, body = OperationView),
        (status = 409, body = quorate_api::ErrorBody)))]
pub(crate) async fn upgrade(
    State(control): State<Control>,
    Caller(principal): Caller,
    Query(option): Query<PlanOption>,
    Idempotency(request_id): Idempotency,
    Body(body): Body<UpgradeNodesBody>,
) -> Result<Response, Failure> {
    let binary = binaries::find(&control, &principal, &body.sha256).await?;
    let operation = NodeOperation::Upgrade(body, binary);
    run(&control, &principal, &option, &operation, request_id).await
}

/// Takes a node out of the cluster for good, or shows the plan.
#[utoipa::path(post, path = "/admin/api/nodes/{node}/remove", tag = "nodes",
    params(("node" = String, Path), ("plan" = Option<bool>, Query),
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = RemoveNodeBody,
    responses((status = 200, body = PlanView), (status = 202, body = OperationView),
        (status = 409, body = quorate_api::ErrorBody)))]
pub(crate) async fn remove(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(node): Path<String>,
    Query(option): Query<PlanOption>,
    Idempotency(request_id): Idempotency,
    Body(body): Body<RemoveNodeBody>,
) -> Result<Response, Failure> {
    let operation = NodeOperation::Remove(node, body);
    run(&control, &principal, &option, &operation, request_id).await
}

/// Puts a master that has joined in the place of another, which is removed, or shows the plan.
#[utoipa::path(post, path = "/admin/api/nodes/{node}/replace", tag = "nodes",
    params(("node" = String, Path), ("plan" = Option<bool>, Query),
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = ReplaceNodeBody,
    responses((status = 200, body = PlanView), (status = 202, body = OperationView),
        (status = 409, body = quorate_api::ErrorBody)))]
pub(crate) async fn replace(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(node): Path<String>,
    Query(option): Query<PlanOption>,
    Idempotency(request_id): Idempotency,
    Body(body): Body<ReplaceNodeBody>,
) -> Result<Response, Failure> {
    let operation = NodeOperation::Replace(node, body);
    run(&control, &principal, &option, &operation, request_id).await
}

/// Moves the masters' leadership, or shows the plan.
#[utoipa::path(post, path = "/admin/api/nodes/masters/transfer-leader", tag = "nodes",
    params(("plan" = Option<bool>, Query), ("Idempotency-Key" = Option<String>, Header)),
    request_body = TransferLeaderBody,
    responses((status = 200, body = PlanView), (status = 202, body = OperationView),
        (status = 409, body = quorate_api::ErrorBody)))]
pub(crate) async fn transfer_leader(
    State(control): State<Control>,
    Caller(principal): Caller,
    Query(option): Query<PlanOption>,
    Idempotency(request_id): Idempotency,
    Body(body): Body<TransferLeaderBody>,
) -> Result<Response, Failure> {
    if option.plan {
        return Ok(
            Json(leadership::plan_transfer(&control, &principal, &body).await?).into_response()
        );
    }
    Ok(accepted(leadership::transfer(&control, &principal, &body, request_id).await?))
}

async fn run(
    control: &Control,
    principal: &Principal,
    option: &PlanOption,
    operation: &NodeOperation,
    request_id: Option<RequestId>,
) -> Result<Response, Failure> {
    if option.plan {
        return Ok(Json(nodes::plan(control, principal, operation).await?).into_response());
    }
    Ok(accepted(nodes::submit(control, principal, operation, request_id).await?))
}
