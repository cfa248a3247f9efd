//! REST, one file per noun; a noun becomes a folder of verbs when its file outgrows a screen or
//! three.

mod audit;
mod auth;
mod binaries;
mod components;
pub(crate) mod context;
mod doctor;
mod enrolments;
pub(crate) mod failure;
mod masters;
mod nodes;
mod operations;
mod ready;
mod reset;
mod settings;
mod status;
mod tokens;

use axum::{
    Router,
    routing::{delete, get, post, put},
};

pub(crate) use context::Admin;
pub(crate) use ready::healthz;

use crate::events;

/// Every path of the OpenAPI document.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Quorate", description = "Day-2 operations of clusters that live by a quorum."),
    paths(
        auth::login,
        auth::logout,
        auth::password,
        auth::me,
        status::show,
        doctor::examine,
        doctor::node,
        nodes::masters,
        nodes::node_managers,
        nodes::restart,
        nodes::upgrade,
        binaries::show,
        binaries::take,
        nodes::remove,
        nodes::replace,
        nodes::transfer_leader,
        settings::list,
        settings::get,
        settings::put,
        settings::delete,
        components::list,
        components::show,
        components::create,
        components::restart,
        components::remove,
        components::log,
        operations::list,
        operations::show,
        operations::pause,
        operations::resume,
        operations::abort,
        tokens::list,
        tokens::create,
        tokens::revoke,
        enrolments::list,
        enrolments::approve,
        enrolments::refuse,
        masters::policy,
        masters::set_policy,
        masters::set_votes,
        masters::set_priority,
        audit::list,
        reset::reset,
        ready::healthz,
        ready::readyz,
        crate::events::stream,
    )
)]
pub(crate) struct Document;

/// The routes below `/admin/api` that need a login.
pub(crate) fn routes() -> Router<Admin> {
    Router::new()
        .route("/auth/logout", post(auth::logout))
        .route("/auth/password", post(auth::password))
        .route("/auth/me", get(auth::me))
        .route("/status", get(status::show))
        .route("/doctor", get(doctor::examine))
        .route("/doctor/node", get(doctor::node))
        .route("/nodes/masters", get(nodes::masters))
        .route("/nodes/node-managers", get(nodes::node_managers))
        .route("/nodes/masters/transfer-leader", post(nodes::transfer_leader))
        .route("/nodes/restart", post(nodes::restart))
        .route("/nodes/upgrade", post(nodes::upgrade))
        .route("/binaries/{sha256}", get(binaries::show).put(binaries::take))
        .route("/nodes/{node}/remove", post(nodes::remove))
        .route("/nodes/{node}/replace", post(nodes::replace))
        .route("/settings", get(settings::list))
        .route("/settings/{*key}", get(settings::get).put(settings::put).delete(settings::delete))
        .route("/components", get(components::list).post(components::create))
        .route("/components/{name}", get(components::show).delete(components::remove))
        .route("/components/{name}/restart", post(components::restart))
        .route("/components/{name}/instances/{instance}/log", get(components::log))
        .route("/operations", get(operations::list))
        .route("/operations/{id}", get(operations::show))
        .route("/operations/{id}/pause", post(operations::pause))
        .route("/operations/{id}/resume", post(operations::resume))
        .route("/operations/{id}/abort", post(operations::abort))
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/{id}", delete(tokens::revoke))
        .route("/enrolments", get(enrolments::list))
        .route("/enrolments/{id}/approve", post(enrolments::approve))
        .route("/enrolments/{id}/refuse", post(enrolments::refuse))
        .route("/masters/policy", get(masters::policy).put(masters::set_policy))
        .route("/masters/votes", put(masters::set_votes))
        .route("/nodes/{id}/priority", put(masters::set_priority))
        .route("/audit", get(audit::list))
        .route("/reset", post(reset::reset))
        .route("/events", get(events::stream))
}

/// The routes that need no login.
pub(crate) fn open_routes() -> Router<Admin> {
    Router::new()
        .route("/admin/api/auth/login", post(auth::login))
        .route("/admin/api/openapi.json", get(ready::openapi))
        .route("/healthz", get(healthz))
        .route("/readyz", get(ready::readyz))
        .route("/metrics", get(ready::metrics))
}
