//! The addresses of the console, and how a request becomes a visitor, a page or a failure.

mod components;
mod entrance;
mod failure;
mod look;
mod nodes;
mod operations;
mod visit;

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};

pub(crate) use failure::Failure;
use visit::{SignedForm, Visit};

use crate::{UseCases, assets, events, guard};

/// The console over any use cases; [`crate::router`] puts it over a master's `Control`.
///
/// It has no fallback of its own, so that it can be merged with the routes of REST.
pub fn router<U: UseCases>(use_cases: U) -> Router {
    Router::new()
        .route("/", get(look::overview::<U>))
        .route("/nodes", get(nodes::show::<U>))
        .route("/enrolments/{id}/{admission}", post(nodes::admit::<U>))
        .route("/doctor", get(look::doctor::<U>))
        .route("/audit", get(look::audit::<U>))
        .route("/login", get(entrance::show_login).post(entrance::login::<U>))
        .route("/logout", post(entrance::logout::<U>))
        .route("/password", get(entrance::show_password::<U>).post(entrance::password::<U>))
        .route("/components", get(components::list::<U>))
        .route("/components/{name}", get(components::show::<U>))
        .route(
            "/components/{name}/restart",
            get(components::plan_restart::<U>).post(components::restart::<U>),
        )
        .route("/components/{name}/logs/{instance}", get(components::log::<U>))
        .route("/operations", get(operations::list::<U>))
        .route("/operations/{id}", get(operations::show::<U>))
        .route("/operations/{id}/{intervention}", post(operations::intervene::<U>))
        .route("/events", get(events::serve::<U>))
        .route("/assets/{file}", get(assets::serve))
        .route_layer(from_fn(guard::own_forms_only))
        .route_layer(from_fn_with_state(use_cases.clone(), guard::splash_until_ready::<U>))
        .route_layer(from_fn(guard::strict_headers))
        .with_state(use_cases)
}
