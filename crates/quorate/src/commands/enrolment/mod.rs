//! `quorate enrolment`: joiners that wait for a person's approval.

mod approve;
mod list;
mod refuse;

use quorate_api::rest::EnrolmentView;
use quorate_client::Client;

use super::Session;
use crate::ui::{Failure, Outcome};

/// Hosts that wait to be let in
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum EnrolmentCommand {
    List(list::ListArgs),
    Approve(approve::ApproveArgs),
    Refuse(refuse::RefuseArgs),
}

pub(crate) async fn run(session: &Session, command: &EnrolmentCommand) -> Outcome {
    match command {
        EnrolmentCommand::List(args) => list::run(session, args).await,
        EnrolmentCommand::Approve(args) => approve::run(session, args).await,
        EnrolmentCommand::Refuse(args) => refuse::run(session, args).await,
    }
}

/// The enrolment that is meant: by its id or the joiner's name, or the only one that waits.
async fn find(client: &Client, wanted: Option<&str>) -> Result<EnrolmentView, Failure> {
    let all = client.enrolments().await?;
    let hint = "see who waits: quorate enrolment list";
    match wanted {
        Some(wanted) => all
            .into_iter()
            .find(|it| it.id == wanted || it.name == wanted)
            .ok_or_else(|| Failure::usage(format!("nobody waits as `{wanted}`"), hint)),
        None => {
            let mut waiting = all.into_iter().filter(|it| it.status == "waits");
            match (waiting.next(), waiting.next()) {
                (Some(only), None) => Ok(only),
                (None, _) => Err(Failure::usage("nobody waits for approval".to_owned(), hint)),
                (Some(_), Some(_)) => {
                    Err(Failure::usage("more than one waits: say which".to_owned(), hint))
                }
            }
        }
    }
}
