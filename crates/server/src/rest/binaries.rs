//! `/admin/api/binaries`: binaries of Quorate, uploaded in parts to the master that is asked.

use axum::{Json, body::Bytes, extract::State};
use quorate_api::rest::{BinaryPart, BinaryView};
use quorate_control::{Control, use_cases::binaries};

use super::{
    context::{Caller, Path, Query},
    failure::Failure,
};

/// How far a binary is on this master's disk.
#[utoipa::path(get, path = "/admin/api/binaries/{sha256}", tag = "binaries",
    params(("sha256" = String, Path)),
    responses((status = 200, body = BinaryView)))]
pub(crate) async fn show(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(sha256): Path<String>,
) -> Result<Json<BinaryView>, Failure> {
    Ok(Json(binaries::show(&control, &principal, &sha256)?))
}

/// Takes in a part of a binary, of at most 1 MiB. The answer says where the next part begins, which
/// is not where this one ended when the master stands elsewhere. With the last part the binary is
/// checked and tried.
#[utoipa::path(put, path = "/admin/api/binaries/{sha256}", tag = "binaries",
    params(("sha256" = String, Path), ("offset" = u64, Query), ("size" = u64, Query)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = BinaryView), (status = 409, body = quorate_api::ErrorBody)))]
pub(crate) async fn take(
    State(control): State<Control>,
    Caller(principal): Caller,
    Path(sha256): Path<String>,
    Query(part): Query<BinaryPart>,
    bytes: Bytes,
) -> Result<Json<BinaryView>, Failure> {
    let BinaryPart { offset, size } = part;
    let taken = binaries::take(&control, &principal, &sha256, offset, size, bytes.to_vec()).await?;
    Ok(Json(taken))
}
