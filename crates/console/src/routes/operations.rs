//! Operations: looking at them, pausing, resuming, aborting.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};

use super::{Failure, SignedForm, Visit, entrance::Nothing, failure::status_of};
use crate::{
    Intervention, UseCases,
    pages::{self, OperationMain, OperationsMain},
};

pub(crate) async fn list<U: UseCases>(
    State(use_cases): State<U>,
    visit: Visit<U>,
) -> Result<Response, Failure> {
    let operations =
        use_cases.operations(&visit.visitor.who).map_err(|refusal| visit.refuse(refusal))?;
    Ok(visit.page(&OperationsMain { operations }))
}

pub(crate) async fn show<U: UseCases>(
    State(use_cases): State<U>,
    visit: Visit<U>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let operation =
        use_cases.operation(&visit.visitor.who, &id).map_err(|refusal| visit.refuse(refusal))?;
    Ok(visit.page(&OperationMain {
        operation,
        refused: None,
        form_token: visit.chrome.form_token.clone(),
        may_operate: visit.chrome.may_operate(),
    }))
}

pub(crate) async fn intervene<U: UseCases>(
    State(use_cases): State<U>,
    Path((id, word)): Path<(String, String)>,
    SignedForm { visit, .. }: SignedForm<U, Nothing>,
) -> Result<Response, Failure> {
    let intervention = match word.as_str() {
        "pause" => Intervention::Pause,
        "resume" => Intervention::Resume,
        "abort" => Intervention::Abort,
        "leave" => Intervention::Leave,
        _ => return Ok(StatusCode::NOT_FOUND.into_response()),
    };
    let who = &visit.visitor.who;
    let Err(refused) = use_cases.intervene(who, &id, intervention).await else {
        return Ok(Redirect::to(&format!("/operations/{id}")).into_response());
    };
    // The refusal is shown beside the operation it is about, if that can still be seen.
    let Ok(operation) = use_cases.operation(who, &id) else { return Err(visit.refuse(refused)) };
    let status = status_of(std::slice::from_ref(&refused));
    let main = OperationMain {
        operation,
        refused: Some(refused),
        form_token: visit.chrome.form_token.clone(),
        may_operate: visit.chrome.may_operate(),
    };
    Ok(pages::page(status, &visit.chrome, &main))
}
