//! `quorate operation watch`.

use std::time::Duration;

use crate::{
    commands::{
        Session,
        wait::{self, Aim},
    },
    ui::{Outcome, duration},
};

/// Follow an operation until it has ended
///
/// Exits with 0 when it succeeded, 1 when it is stuck or aborted, 5 when it goes on longer than
/// the timeout.
#[derive(Debug, clap::Args)]
pub(crate) struct WatchArgs {
    /// Its id
    pub(crate) id: String,
    /// How long to wait before exiting with 5; the operation goes on
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
}

pub(crate) async fn run(session: &Session, args: &WatchArgs) -> Outcome {
    let client = session.client()?;
    let view = client.operation(&args.id).await?;
    wait::to_the_end(session, &client, view, args.timeout, Aim::Success).await
}
