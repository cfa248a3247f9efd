//! `quorate component logs`.

use quorate_api::exit;

use crate::{commands::Session, ui::Outcome};

/// Print the end of an instance's log
#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    /// The component
    pub(crate) component: String,
    /// The instance
    pub(crate) instance: String,
    /// At most this many bytes
    #[arg(long, default_value_t = 65_536)]
    pub(crate) bytes: u64,
}

pub(crate) async fn run(session: &Session, args: &LogsArgs) -> Outcome {
    let client = session.client()?;
    let log = client.instance_log(&args.component, &args.instance, Some(args.bytes)).await?;
    session.ui.write(&log)?;
    Ok(exit::DONE)
}
