//! `quorate node list`.

use quorate_api::exit;

use crate::{
    commands::Session,
    ui::{
        Outcome,
        views::{self, Nodes},
    },
};

/// List the masters and the node managers
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {}

pub(crate) async fn run(session: &Session, _: &ListArgs) -> Outcome {
    let client = session.client()?;
    let nodes =
        Nodes { masters: client.masters().await?, node_managers: client.node_managers().await? };
    session.ui.show(&nodes, |paint| views::nodes(&nodes, paint))?;
    Ok(exit::DONE)
}
