//! Pages that are only looked at: overview, checklist, audit.

use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::Deserialize;

use super::{Failure, Visit};
use crate::{
    UseCases,
    pages::{AuditMain, DoctorMain, OverviewMain},
    words,
};

/// How many lines of the audit trail are shown.
const AUDIT_LINES: usize = 200;

pub(crate) async fn overview<U: UseCases>(
    State(use_cases): State<U>,
    visit: Visit<U>,
) -> Result<Response, Failure> {
    let who = &visit.visitor.who;
    let refuse = |refusal| visit.refuse(refusal);
    let status = use_cases.status(who).map_err(refuse)?;
    let components = use_cases.components(who).map_err(refuse)?;
    let running = use_cases
        .operations(who)
        .map_err(refuse)?
        .into_iter()
        .filter(|operation| !words::is_over(&operation.status))
        // One that ended in between is simply left out.
        .filter_map(|operation| use_cases.operation(who, &operation.id).ok())
        .collect();
    Ok(visit.page(&OverviewMain::new(&use_cases.node(), status, components, running)))
}

#[derive(Deserialize)]
pub(crate) struct AuditQuery {
    #[serde(default)]
    steps: bool,
}

pub(crate) async fn doctor<U: UseCases>(
    State(use_cases): State<U>,
    visit: Visit<U>,
) -> Result<Response, Failure> {
    let found = use_cases.doctor(&visit.visitor.who).await;
    Ok(visit.page(&DoctorMain::new(found.map_err(|refusal| visit.refuse(refusal))?)))
}

pub(crate) async fn audit<U: UseCases>(
    State(use_cases): State<U>,
    visit: Visit<U>,
    Query(AuditQuery { steps }): Query<AuditQuery>,
) -> Result<Response, Failure> {
    let lines = use_cases
        .audit(&visit.visitor.who, AUDIT_LINES, steps)
        .map_err(|refusal| visit.refuse(refusal))?;
    Ok(visit.page(&AuditMain { lines, at_most: AUDIT_LINES, steps }))
}
