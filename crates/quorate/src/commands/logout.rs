//! `quorate logout`.

use quorate_api::exit;
use quorate_model::codes;

use super::{Session, credentials::Credentials};
use crate::ui::{Failure, Outcome};

/// End the session at the masters of --server and forget its token
#[derive(Debug, clap::Args)]
pub(crate) struct LogoutArgs {}

pub(crate) async fn run(session: &Session, _: &LogoutArgs) -> Outcome {
    let Some(servers) = session.servers()? else {
        return Err(Failure::usage(
            "no server is named",
            "quorate logout --server http://HOST:8080",
        ));
    };
    let ended = session.client()?.logout().await;
    // The token is forgotten even when nobody could be told: it ends by itself.
    Credentials::load()?.forget(&servers)?;
    match ended {
        Err(error) if error.code() != codes::UNAUTHENTICATED => Err(error.into()),
        _ => {
            session.ui.note("logged out");
            Ok(exit::DONE)
        }
    }
}
