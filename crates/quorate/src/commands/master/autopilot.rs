//! `quorate master autopilot`: how autopilot and the choice of the leader behave.

use std::time::Duration;

use quorate_api::{exit, rest::MasterPolicyBody};

use crate::{
    commands::Session,
    ui::{Outcome, duration, views},
};

/// How autopilot and the choice of the leader behave
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum AutopilotCommand {
    Show(ShowArgs),
    Set(SetArgs),
}

/// Show it
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {}

/// Change what is given and leave the rest
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(crate) struct SetArgs {
    /// How long a preferred master must have been live and level before it leads again
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) fail_back: Option<Duration>,
    /// After how long without progress a learner is reported as stalled
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) stall_after: Option<Duration>,
    /// After how long in silence a master is removed for good, or `off`
    #[arg(long, value_name = "DURATION|off", value_parser = parse_cleanup)]
    pub(crate) cleanup_after: Option<Duration>,
    /// Cleaning up never leaves fewer voters than this
    #[arg(long, value_name = "VOTERS")]
    pub(crate) floor: Option<u32>,
    /// Allow an even number of voters no longer
    #[arg(long)]
    pub(crate) withdraw_even: bool,
}

/// `off` is no time at all.
fn parse_cleanup(text: &str) -> Result<Duration, String> {
    if text == "off" { Ok(Duration::ZERO) } else { duration::parse(text) }
}

pub(crate) async fn run(session: &Session, command: &AutopilotCommand) -> Outcome {
    let client = session.client()?;
    let policy = match command {
        AutopilotCommand::Show(_) => client.master_policy().await?,
        AutopilotCommand::Set(args) => {
            let millis = |given: Duration| u64::try_from(given.as_millis()).unwrap_or(u64::MAX);
            let body = MasterPolicyBody {
                fail_back_ms: args.fail_back.map(millis),
                stall_after_ms: args.stall_after.map(millis),
                cleanup_after_ms: args.cleanup_after.map(millis),
                cleanup_floor: args.floor,
                even_voters: args.withdraw_even.then(String::new),
            };
            client.master_policy_set(&body).await?
        }
    };
    session.ui.show(&policy, |paint| views::master_policy(&policy, paint))?;
    Ok(exit::DONE)
}
