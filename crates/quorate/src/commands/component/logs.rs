//! `quorate component logs`.

use std::fmt::Write as _;

use quorate_api::exit;
use quorate_client::Client;
use quorate_model::{Refusal, codes};

use crate::{
    commands::Session,
    ui::{Failure, Outcome},
};

/// Print the end of an instance's log, or of all instances of a component
#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    /// The component
    pub(crate) component: String,
    /// The instance; without it every instance's lines are printed, each behind its name
    pub(crate) instance: Option<String>,
    /// At most this many bytes of each instance
    #[arg(long, default_value_t = 65_536)]
    pub(crate) bytes: u64,
}

pub(crate) async fn run(session: &Session, args: &LogsArgs) -> Outcome {
    let client = session.client()?;
    if let Some(instance) = &args.instance {
        session.ui.write(&read(&client, args, instance).await?)?;
        return Ok(exit::DONE);
    }
    let component = client.component(&args.component).await?;
    let names: Vec<&str> = component.instances.iter().map(|one| one.name.as_str()).collect();
    match names.as_slice() {
        [] => {
            let text = format!("`{}` has no instances", args.component);
            Err(Refusal::new(codes::NOT_FOUND, text).into())
        }
        [only] => {
            session.ui.write(&read(&client, args, only).await?)?;
            Ok(exit::DONE)
        }
        _ => all(session, &client, args, &names).await,
    }
}

/// Every instance's lines; one that cannot be read does not keep the others from being seen.
async fn all(session: &Session, client: &Client, args: &LogsArgs, names: &[&str]) -> Outcome {
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    let mut unread: Option<Failure> = None;
    for name in names {
        match read(client, args, name).await {
            Ok(log) => session.ui.write(&prefixed(name, width, &log))?,
            Err(failure) => {
                session.ui.note(&format!("{name:<width$} | cannot be read"));
                unread.get_or_insert(failure);
            }
        }
    }
    unread.map_or(Ok(exit::DONE), Err)
}

async fn read(client: &Client, args: &LogsArgs, instance: &str) -> Result<String, Failure> {
    Ok(client.instance_log(&args.component, instance, Some(args.bytes)).await?)
}

fn prefixed(name: &str, width: usize, log: &str) -> String {
    log.lines().fold(String::new(), |mut text, line| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<width$} | {line}");
        text
    })
}
