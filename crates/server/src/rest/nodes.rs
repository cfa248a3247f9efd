//! `/admin/api/nodes`: masters and node managers.

use axum::{Json, extract::State};
use quorate_api::rest::{MasterView, NodeManagerView};
use quorate_control::{Control, use_cases};

use super::{context::Caller, failure::Failure};

/// The masters.
#[utoipa::path(get, path = "/admin/api/nodes/masters", tag = "nodes",
    responses((status = 200, body = Vec<MasterView>)))]
pub(crate) async fn masters(
    State(control): State<Control>,
    Caller(principal): Caller,
) -> Result<Json<Vec<MasterView>>, Failure> {
    Ok(Json(use_cases::nodes::masters(&control, &principal)?))
}

/// The node managers.
#[utoipa::path(get, path = "/admin/api/nodes/node-managers", tag = "nodes",
    responses((status = 200, body = Vec<NodeManagerView>)))]
pub(crate) async fn node_managers(
    State(control): State<Control>,
    Caller(principal): Caller,
) -> Result<Json<Vec<NodeManagerView>>, Failure> {
    Ok(Json(use_cases::nodes::node_managers(&control, &principal)?))
}
