//! Components: looking at them, reading logs, planning and confirming a restart.

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{Failure, SignedForm, Visit, failure::status_of};
use crate::{
    UseCases,
    pages::{self, ComponentMain, ComponentsMain, LogMain, RestartMain, plan_digest},
};

/// How much of a log is shown, in bytes.
const LOG_BYTES: u64 = 64 * 1024;

pub(crate) async fn list<U: UseCases>(
    State(use_cases): State<U>,
    visit: Visit<U>,
) -> Result<Response, Failure> {
    let components =
        use_cases.components(&visit.visitor.who).map_err(|refusal| visit.refuse(refusal))?;
    Ok(visit.page(&ComponentsMain { components }))
}

pub(crate) async fn show<U: UseCases>(
    State(use_cases): State<U>,
    visit: Visit<U>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let component =
        use_cases.component(&visit.visitor.who, &name).map_err(|refusal| visit.refuse(refusal))?;
    let may_operate = visit.chrome.may_operate();
    Ok(visit.page(&ComponentMain { component, may_operate }))
}

pub(crate) async fn log<U: UseCases>(
    State(use_cases): State<U>,
    visit: Visit<U>,
    Path((component, instance)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let bytes = use_cases
        .log(&visit.visitor.who, &component, &instance, LOG_BYTES)
        .await
        .map_err(|refusal| visit.refuse(refusal))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(visit.page(&LogMain { component, instance, text, at_most: LOG_BYTES }))
}

#[derive(Deserialize)]
pub(crate) struct RestartQuery {
    accept: Option<String>,
}

pub(crate) async fn plan_restart<U: UseCases>(
    State(use_cases): State<U>,
    visit: Visit<U>,
    Path(name): Path<String>,
    Query(query): Query<RestartQuery>,
) -> Response {
    let accept_interruption = accepts(query.accept.as_deref());
    let plan = use_cases.plan_restart(&visit.visitor.who, &name, accept_interruption).await;
    let status = plan.as_ref().err().map_or(StatusCode::OK, |refusals| status_of(refusals));
    let main = restart_main(&visit, name, plan, accept_interruption);
    pages::page(status, &visit.chrome, &main)
}

#[derive(Deserialize)]
pub(crate) struct RestartForm {
    #[serde(default)]
    plan: String,
    accept: Option<String>,
}

pub(crate) async fn restart<U: UseCases>(
    State(use_cases): State<U>,
    Path(name): Path<String>,
    SignedForm { visit, form }: SignedForm<U, RestartForm>,
) -> Response {
    let accept_interruption = accepts(form.accept.as_deref());
    let who = &visit.visitor.who;
    let plan = match use_cases.plan_restart(who, &name, accept_interruption).await {
        Ok(plan) if plan_digest(&plan) != form.plan => {
            let main = RestartMain {
                has_changed: true,
                ..restart_main(&visit, name, Ok(plan), accept_interruption)
            };
            return pages::page(StatusCode::CONFLICT, &visit.chrome, &main);
        }
        Ok(_) => use_cases.restart(who, &name, accept_interruption).await,
        Err(refusals) => Err(refusals),
    };
    match plan {
        Ok(operation) => {
            Redirect::to(&format!("/operations/{}", operation.summary.id)).into_response()
        }
        Err(refusals) => {
            let status = status_of(&refusals);
            let main = restart_main(&visit, name, Err(refusals), accept_interruption);
            pages::page(status, &visit.chrome, &main)
        }
    }
}

fn accepts(accept: Option<&str>) -> bool {
    accept == Some("interruption")
}

fn restart_main<U: UseCases>(
    visit: &Visit<U>,
    name: String,
    plan: Result<quorate_api::rest::PlanView, Vec<quorate_model::Refusal>>,
    accept_interruption: bool,
) -> RestartMain {
    RestartMain {
        name,
        plan,
        accept_interruption,
        has_changed: false,
        form_token: visit.chrome.form_token.clone(),
        may_operate: visit.chrome.may_operate(),
    }
}
