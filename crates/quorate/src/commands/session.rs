//! What a command runs with: the global flags, the terminal, and the way to the masters.

use std::{pin::pin, time::Duration};

use quorate_api::exit;
use quorate_client::{Client, Endpoint};
use quorate_model::{Refusal, codes};

use super::{credentials::Credentials, find_node};
use crate::{
    cli::GlobalArgs,
    node::Invocation,
    ui::{Failure, Ui},
};

/// How long a change is repeated while there is nobody to make it.
const PATIENCE: Duration = Duration::from_secs(30);
/// After so long without an answer people want to know what is waited for.
const LONG: Duration = Duration::from_secs(2);

/// What a command runs with.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Where output goes.
    pub(crate) ui: Ui,
    /// The flags that every command takes.
    pub(crate) global: GlobalArgs,
}

impl Session {
    /// Looks at the flags and the terminal.
    pub(crate) fn new(global: GlobalArgs) -> Self {
        Self { ui: Ui::new(global.output, global.no_color, global.quiet), global }
    }

    /// A client of the masters of `--server`, with the token of the last login there; otherwise
    /// of the node on this host.
    ///
    /// # Errors
    /// When there is no node to be found, or the flags or the saved logins cannot be used.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let Some(servers) = self.servers()? else {
            let socket = find_node::socket(&self.global)?;
            return Ok(self.patient(Client::new(Endpoint::Unix(socket))?, PATIENCE));
        };
        let client = self.patient(Client::of_all(&servers)?, PATIENCE);
        match Credentials::load()?.token(&servers) {
            Some(token) => Ok(client.with_token(token)),
            None => Err(Failure::from(
                Refusal::new(
                    codes::UNAUTHENTICATED,
                    format!("nobody is logged in at {}", client.servers()),
                )
                .hint(format!("quorate login --server {}", client.servers().replace(", ", ","))),
            )),
        }
    }

    /// Awaits what a client asks, and says what is waited for when that takes long.
    pub(super) async fn awaited<T>(&self, client: &Client, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        if let Ok(answer) = tokio::time::timeout(LONG, &mut answer).await {
            return answer;
        }
        let (servers, patience) = (client.servers(), client.patience().as_secs());
        self.ui.note(&format!("waiting for the answer of {servers}, for up to {patience} s ..."));
        answer.await
    }

    /// The endpoints of `--server`.
    ///
    /// # Errors
    /// When one of them is no URL.
    pub(crate) fn servers(&self) -> Result<Option<Vec<Endpoint>>, Failure> {
        let servers = self.global.server.as_deref().filter(|text| !text.is_empty());
        Ok(servers.map(Endpoint::parse_list).transpose()?)
    }

    /// A client that repeats a change for so long, and tells why before it does so.
    pub(super) fn patient(&self, client: Client, patience: Duration) -> Client {
        let ui = self.ui;
        let told = std::sync::Once::new();
        let seconds = patience.as_secs();
        client.with_retry_for(patience).with_on_retry(move |error| {
            told.call_once(|| ui.note(&format!("trying again for up to {seconds} s: {error}")));
        })
    }

    /// Shows why a command failed and gives the exit code.
    pub(crate) fn failed(&self, failure: Failure) -> u8 {
        let failure = failure.explained(&self.global);
        self.ui.failure(&failure);
        failure.exit
    }
}

impl Failure {
    /// Says what to do where only the command line knows it.
    fn explained(mut self, global: &GlobalArgs) -> Self {
        let is_local = global.server.as_deref().is_none_or(str::is_empty);
        if is_local && self.body.code == codes::MASTER_UNREACHABLE {
            let called = Invocation::of(global.root.as_deref(), global.run_dir.as_deref());
            let hint = self.body.hint.take().map(|hint| called.fit(&hint));
            self.body.hint = hint;
        }
        if self.body.code == codes::UNAUTHENTICATED && self.exit == exit::FAILED {
            let server = global.server.clone().unwrap_or_default();
            return self.or_hint(|| format!("quorate login --server {server}"));
        }
        self
    }
}
