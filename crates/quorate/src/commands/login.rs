//! `quorate login`.

use std::{
    io::{self, BufRead},
    time::Duration,
};

use quorate_api::{
    exit,
    rest::{ChangePassword, Login, LoginAnswer},
};
use quorate_client::{Client, Endpoint};
use quorate_model::{Refusal, codes};

use super::{
    Session,
    credentials::{Credentials, Login as Saved},
};
use crate::ui::{Failure, Outcome, ask, ask_secret};

/// Who logs in waits for it, and a URL may be wrong: enough for an election, and no more.
const PATIENCE: Duration = Duration::from_secs(5);

/// Log in at the masters of --server
///
/// The token is kept in ~/.config/quorate/credentials.json, for its owner only. On a master's own
/// host no login is needed: the node's socket is the way in.
#[derive(Debug, clap::Args)]
pub(crate) struct LoginArgs {
    /// The user name; asked for when absent
    #[arg(long)]
    pub(crate) username: Option<String>,
    /// Read the password from stdin; a second line is the new one, when it must be changed
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

pub(crate) async fn run(session: &Session, args: &LoginArgs) -> Outcome {
    let Some(servers) = session.servers()? else {
        return Err(Failure::usage(
            "no server is named",
            "quorate login --server http://HOST:8080; on a master's own host no login is needed",
        ));
    };
    let client = session.patient(Client::of_all(&servers)?, PATIENCE);
    warn_of_plain_http(session, &servers);
    let username = match &args.username {
        Some(username) => username.clone(),
        None => ask(&session.ui, "User name: ", "add --username NAME")?,
    };
    let mut passwords = Passwords::new(session, args)?;
    let mut login = Login { username, password: passwords.current()? };
    session.ui.note(&format!("logging in at {} ...", client.servers()));
    let asked = client.login(&login).await.map_err(Failure::from);
    // A URL that is wrong is not mended by asking again.
    let mut answer = asked.map_err(|it| match it.unanswered() {
        Some(_) => it.exiting(exit::FAILED),
        None => it,
    })?;
    if answer.must_change_password {
        let new = passwords.new_one()?;
        let change = ChangePassword { current: login.password, new: new.clone() };
        client.clone().with_token(answer.access_token).change_password(&change).await?;
        // Every session of the user has ended with the old password.
        login.password = new;
        answer = client.login(&login).await?;
    }
    let LoginAnswer { access_token: token, expires_at, .. } = answer;
    let saved = Saved { username: login.username, token, expires_at };
    Credentials::load()?.save(&servers, &saved)?;
    session.ui.note(&format!("logged in as {} until {}", saved.username, saved.expires_at));
    Ok(exit::DONE)
}

/// Where passwords come from.
enum Passwords<'a> {
    Stdin(io::Lines<io::StdinLock<'static>>),
    Terminal(&'a Session),
}

impl<'a> Passwords<'a> {
    fn new(session: &'a Session, args: &LoginArgs) -> Result<Self, Failure> {
        if args.password_stdin {
            return Ok(Self::Stdin(io::stdin().lock().lines()));
        }
        if !session.ui.interactive {
            let message = "there is no terminal to ask for the password";
            return Err(Failure::usage(message, "add --password-stdin"));
        }
        Ok(Self::Terminal(session))
    }

    fn current(&mut self) -> Result<String, Failure> {
        match self {
            Self::Stdin(lines) => line(lines)?
                .ok_or_else(|| Failure::usage("stdin holds no password", "write it on a line")),
            Self::Terminal(session) => {
                ask_secret(&session.ui, "Password: ", "add --password-stdin")
            }
        }
    }

    fn new_one(&mut self) -> Result<String, Failure> {
        match self {
            Self::Stdin(lines) => line(lines)?.ok_or_else(|| {
                Refusal::new(codes::PASSWORD_CHANGE_REQUIRED, "the password must be changed first")
                    .hint("write the new one on a second line, or log in on a terminal")
                    .into()
            }),
            Self::Terminal(session) => {
                session.ui.note("the password must be changed now");
                let instead = "add --password-stdin";
                let new = ask_secret(&session.ui, "New password: ", instead)?;
                if new != ask_secret(&session.ui, "New password again: ", instead)? {
                    let message = "the two new passwords differ; nothing was changed";
                    return Err(Failure::usage(message, "log in again"));
                }
                Ok(new)
            }
        }
    }
}

fn line(lines: &mut io::Lines<io::StdinLock<'static>>) -> Result<Option<String>, Failure> {
    lines.next().transpose().map_err(|error| {
        Refusal::new(codes::FILE_ACCESS, "cannot read stdin").cause(error.to_string()).into()
    })
}

/// A password on its way over a network without encryption deserves a word.
fn warn_of_plain_http(session: &Session, servers: &[Endpoint]) {
    for server in servers {
        if let Endpoint::Url(url) = server
            && url.scheme() == "http"
            && !matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"))
        {
            session.ui.note(&format!("{server}: the password travels without encryption"));
        }
    }
}
