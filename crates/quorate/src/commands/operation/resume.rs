//! `quorate operation resume`, and `retry`, which is the same for one that is stuck.

use crate::{
    commands::{
        Session,
        change::{self, WaitArgs},
        wait::Aim,
    },
    ui::Outcome,
};

/// Let a paused operation go on, or a stuck one try its step again
#[derive(Debug, clap::Args)]
pub(crate) struct ResumeArgs {
    /// Its id
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// Let a stuck operation try its step again; the same as resume
#[derive(Debug, clap::Args)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    pub(crate) resume: ResumeArgs,
}

pub(crate) async fn run(session: &Session, args: &ResumeArgs) -> Outcome {
    let client = session.client()?;
    let view = client.operation_resume(&args.id).await?;
    change::follow(session, &client, &args.wait, view, Aim::Success).await
}
