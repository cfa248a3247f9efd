//! `quorate token create`.

use std::time::Duration;

use quorate_api::{exit, rest::CreateTokenBody};

use crate::{
    commands::Session,
    ui::{Outcome, duration},
};

/// Make a join token and print it
///
/// It works once and until it expires. Whoever has it can join a host: treat it as a secret.
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// What the host will be
    #[arg(long, value_parser = ["master", "node-manager", "both"])]
    pub(crate) role: String,
    /// How long it can be used, such as 15m or 2h; at most a week
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration::parse)]
    pub(crate) ttl: Duration,
    /// Let its bearer in at once; otherwise a person approves (`quorate enrolment approve`)
    #[arg(long)]
    pub(crate) auto_approve: bool,
}

pub(crate) async fn run(session: &Session, args: &CreateArgs) -> Outcome {
    let ttl_ms = u64::try_from(args.ttl.as_millis()).unwrap_or(u64::MAX);
    let body = CreateTokenBody { role: args.role.clone(), ttl_ms, auto_approve: args.auto_approve };
    let created = session.client()?.token_create(&body).await?;
    session.ui.show(&created, |_| format!("{}\n", created.token))?;
    session.ui.note(&format!(
        "on the new host, until {}: quorate join TOKEN{}",
        created.expires_at,
        if args.role == "node-manager" { "" } else { " (with QUORATE_ROOT_KEY set)" }
    ));
    if !args.auto_approve {
        session.ui.note("it waits there until you approve: quorate enrolment approve");
    }
    Ok(exit::DONE)
}
