//! The nodes, and the hosts that wait at the door.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use quorate_model::Refusal;
use serde::Deserialize;

use super::{Failure, SignedForm, Visit, failure::status_of};
use crate::{
    Admission, UseCases,
    pages::{self, NodesMain},
};

pub(crate) async fn show<U: UseCases>(
    State(use_cases): State<U>,
    visit: Visit<U>,
) -> Result<Response, Failure> {
    let main = main(&use_cases, &visit).map_err(|refusal| visit.refuse(refusal))?;
    Ok(visit.page(&main))
}

#[derive(Deserialize)]
pub(crate) struct AdmissionForm {
    /// The digest of the key that the person saw.
    #[serde(default)]
    key: String,
}

pub(crate) async fn admit<U: UseCases>(
    State(use_cases): State<U>,
    Path((id, word)): Path<(String, String)>,
    SignedForm { visit, form }: SignedForm<U, AdmissionForm>,
) -> Result<Response, Failure> {
    let admission = match word.as_str() {
        "approve" => Admission::Approve { key_sha256: form.key },
        "refuse" => Admission::Refuse,
        _ => return Ok(StatusCode::NOT_FOUND.into_response()),
    };
    let Err(refused) = use_cases.admit(&visit.visitor.who, &id, admission).await else {
        return Ok(Redirect::to("/nodes").into_response());
    };
    // The refusal is shown above those who wait, as they are now.
    let status = status_of(std::slice::from_ref(&refused));
    let main = main(&use_cases, &visit).map_err(|refusal| visit.refuse(refusal))?;
    Ok(pages::page(status, &visit.chrome, &main.refusing(refused)))
}

fn main<U: UseCases>(use_cases: &U, visit: &Visit<U>) -> Result<NodesMain, Refusal> {
    let who = &visit.visitor.who;
    let status = use_cases.status(who)?;
    let enrolments =
        if visit.chrome.may_administer() { use_cases.enrolments(who)? } else { Vec::new() };
    Ok(NodesMain::new(&use_cases.node(), status, enrolments, &visit.chrome.form_token))
}
