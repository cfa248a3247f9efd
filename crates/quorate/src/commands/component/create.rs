//! `quorate component create`.

use super::specification;
use crate::{
    commands::{
        Session,
        change::{self, ChangeArgs},
    },
    ui::Outcome,
};

/// Create a component from a file and start its instances
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// The specification, .toml, .yaml or .json; `-` reads it from stdin
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: String,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(session: &Session, args: &CreateArgs) -> Outcome {
    let spec = specification::read(&args.file)?;
    let client = session.client()?;
    let question = format!("Create the component `{}`?", spec.name);
    change::run(
        session,
        &client,
        &args.change,
        &question,
        async || client.plan_component_create(&spec).await,
        async || client.component_create(&spec).await,
    )
    .await
}
