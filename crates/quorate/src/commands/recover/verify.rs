//! `quorate recover verify`.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use quorate_api::{exit, rest::StatusView};
use quorate_client::Client;
use quorate_model::{Epoch, Refusal, codes};
use quorate_plan::recovery::{Finding, RecoveryPlan, RecoverySeen, verify};
use serde::Serialize;

use super::{super::status::unanswered, Session, document};
use crate::ui::{Failure, Outcome, Paint, Tone, duration};

/// Say whether everything is recovered: quorum, leader, epoch, tombstones, survivors, votes
///
/// Exits with 0 when it is, 1 when something is not yet so, 4 when no quorum of masters acts or none
/// can be reached.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The plan that was applied; without it, only what holds after every recovery is looked at
    #[arg(value_name = "PLAN")]
    plan: Option<PathBuf>,
    /// Look again until everything is recovered, for so long
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    wait: Option<Duration>,
}

const AGAIN: Duration = Duration::from_millis(500);

/// One finding as programs read it.
#[derive(Debug, Serialize)]
struct Found<'a> {
    good: bool,
    what: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    todo: &'a str,
}

pub(crate) async fn run(session: &Session, args: &VerifyArgs) -> Outcome {
    let plan = match &args.plan {
        Some(path) => {
            let plan: RecoveryPlan = document::read(path, "plan", "recover plan")?;
            plan.check()?;
            Some(plan)
        }
        None => None,
    };
    let until = args.wait.map(|wait| Instant::now() + wait);
    loop {
        let last_look = until.is_none_or(|until| Instant::now() >= until);
        match look(session, plan.as_ref()).await {
            Ok((quorate, findings)) => {
                let good = findings.iter().all(|finding| finding.good);
                if good || last_look {
                    return show(session, quorate, &findings);
                }
            }
            Err(failure) if last_look => return Err(failure),
            Err(_) => {}
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn look(
    session: &Session,
    plan: Option<&RecoveryPlan>,
) -> Result<(bool, Vec<Finding>), Failure> {
    let client: Client = session.client().map_err(Failure::without_quorum)?;
    let view = client.status().await.map_err(unanswered)?;
    Ok((view.quorate, verify(plan, &seen(&view)?)))
}

fn seen(view: &StatusView) -> Result<RecoverySeen, Failure> {
    let mut seen = RecoverySeen {
        cluster: view.cluster_id.clone(),
        epoch: Epoch(view.epoch),
        quorate: view.quorate,
        leader: view.leader.as_deref().map(parse).transpose()?,
        plan_sha256: view.recovery.as_ref().map(|recovery| recovery.plan_sha256.clone()),
        ..RecoverySeen::default()
    };
    for id in &view.tombstones {
        seen.tombstones.insert(parse(id)?);
    }
    for master in &view.masters {
        let unready = (!master.ready).then(|| master.reason.clone());
        seen.masters.insert(parse(&master.id)?, (master.role == "voter", unready));
    }
    Ok(seen)
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|error: T::Err| {
        Refusal::new(codes::BINARY_TOO_OLD, "the master's answer cannot be read")
            .cause(error.to_string())
            .into()
    })
}

fn show(session: &Session, quorate: bool, findings: &[Finding]) -> Outcome {
    let found: Vec<Found<'_>> = findings
        .iter()
        .map(|Finding { good, what, todo }| Found { good: *good, what, todo })
        .collect();
    session.ui.show(&found, |paint| words(&found, paint))?;
    let missing = found.iter().filter(|it| !it.good).count();
    if missing == 0 {
        return Ok(exit::DONE);
    }
    let failure = Failure::from(
        Refusal::new(codes::RECOVERY_INCOMPLETE, "the recovery is not complete")
            .cause(format!("{missing} of {} findings are not as they should be", found.len()))
            .hint("do what stands beside each, then look again: quorate recover verify --wait 1m"),
    );
    Err(if quorate { failure } else { failure.exiting(exit::NO_QUORUM) })
}

fn words(found: &[Found<'_>], paint: Paint) -> String {
    let mut text = String::new();
    for Found { good, what, todo } in found {
        let mark = if *good {
            paint.text(Tone::Success, "ok")
        } else {
            paint.text(Tone::Danger, "NOT YET")
        };
        text.push_str(&format!("{mark}  {what}\n"));
        if !todo.is_empty() {
            text.push_str(&format!("    {todo}\n"));
        }
    }
    text
}
