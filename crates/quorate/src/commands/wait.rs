//! Waits for the end of an operation, whichever master leads meanwhile.

use std::time::Duration;

use quorate_api::{exit, rest::OperationView};
use quorate_client::{Client, ClientError, Event, EventStream};
use quorate_model::codes;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Session;
use crate::{
    node::{FolderArgs, Folders, Invocation, local},
    ui::{Failure, Outcome, Progress, duration, views},
};

/// Events tell of changes at once; this often is looked in any case.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A master that has not answered by then is asked again.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// For so long nobody may answer: a master that restarts, or moves, is back sooner.
const GONE_AFTER: Duration = Duration::from_secs(60);
/// A follower may hear of a new operation a little later than its client.
const MAY_BE_UNKNOWN_FOR: Duration = Duration::from_secs(10);

/// What the person waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// That the operation succeeds.
    Success,
    /// That it is undone.
    Undone,
}

/// How waiting ended.
enum End {
    Ended,
    TimedOut,
    Interrupted,
    /// There is nobody left to ask, for this reason.
    Alone(String),
}

/// Waits, shows the progress, then the operation as it ended.
pub(super) async fn to_the_end(
    session: &Session,
    client: &Client,
    mut view: OperationView,
    patience: Duration,
    aim: Aim,
) -> Outcome {
    let mut progress = Progress::new(session.ui);
    let here = Here::of(session);
    let end = tokio::select! {
        end = follow(client, &mut view, &mut progress, patience, &here) => end,
        _ = tokio::signal::ctrl_c() => Ok(End::Interrupted),
    };
    progress.end();
    let end = end?;
    session.ui.show(&view.summary, |paint| views::ended(&view.summary, paint))?;
    let id = &view.summary.id;
    match &end {
        // Said where it is over: of one that is stuck, `operation show` tells it with the rest.
        End::Ended if view.summary.status == "aborted" => {
            view.to_do.iter().for_each(|step| session.ui.note(step));
        }
        End::Ended => {}
        End::TimedOut => {
            let patience = duration::short(patience);
            session.ui.note(&format!("it goes on after {patience}: quorate operation watch {id}"));
        }
        End::Interrupted => session.ui.note(&format!("it goes on: quorate operation watch {id}")),
        End::Alone(why) => session.ui.note(&format!(
            "{why}\nwhat is shown above is what was seen last; the operation goes on without this \
             host. Ask another master how it ended{}:\n  on its host: quorate operation watch {id}\n  \
             from here:    quorate login --server http://HOST:8080, then quorate operation watch \
             {id} --server http://HOST:8080",
            here.others()
        )),
    }
    if !matches!(end, End::Ended) {
        return Ok(exit::STILL_RUNNING);
    }
    match (exit_code(&view.summary.status, aim), view.refusal.clone()) {
        (exit, Some(refusal)) if exit != exit::DONE => Err(Failure::from(refusal)
            .exiting(exit)
            .of_operation(id)
            .or_hint(|| format!("quorate operation show {id}"))),
        (exit, _) => Ok(exit),
    }
}

/// The exit code for the status of an operation.
fn exit_code(status: &str, aim: Aim) -> u8 {
    match (status, aim) {
        ("succeeded", Aim::Success) | ("aborted", Aim::Undone) => exit::DONE,
        ("succeeded" | "stuck" | "aborted" | "failed", _) => exit::FAILED,
        _ => exit::STILL_RUNNING,
    }
}

async fn follow(
    client: &Client,
    view: &mut OperationView,
    progress: &mut Progress,
    patience: Duration,
    here: &Here,
) -> Result<End, ClientError> {
    let began = Instant::now();
    // A patience that cannot be added to the present is one without end.
    let deadline = began.checked_add(patience);
    let past = |deadline: Option<Instant>| deadline.is_some_and(|at| Instant::now() >= at);
    let id = view.summary.id.clone();
    let mut changes = Changes { stream: None };
    let mut answered = began;
    progress.show(view);
    while exit_code(&view.summary.status, Aim::Success) == exit::STILL_RUNNING {
        if past(deadline) {
            return Ok(End::TimedOut);
        }
        changes.await_change(client, &id).await;
        let asked = client.operation(&id).await;
        let is_silent = asked.as_ref().is_err_and(is_silence);
        if !is_silent {
            answered = Instant::now();
        }
        match asked {
            Ok(now) => {
                *view = now;
                progress.show(view);
            }
            // It may be the very operation that removes the master at hand.
            Err(error) if error.code() == codes::NODE_REMOVED => {
                return Ok(End::Alone(format!("the master at {} was removed", client.servers())));
            }
            Err(_) if is_silent && here.was_removed() => {
                return Ok(End::Alone(
                    "the master on this host was removed and has ended".to_owned(),
                ));
            }
            Err(error) if is_silent && answered.elapsed() >= GONE_AFTER => {
                let silence = duration::short(GONE_AFTER);
                return Ok(End::Alone(format!("no master has answered for {silence}: {error}")));
            }
            Err(error) if error.is_transient() => progress.waiting(&error.to_string()),
            Err(error)
                if error.code() == codes::NOT_FOUND && began.elapsed() < MAY_BE_UNKNOWN_FOR => {}
            Err(error) => return Err(error),
        }
    }
    Ok(End::Ended)
}

/// Whether nobody answered at all.
fn is_silence(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Unreachable { .. }
            | ClientError::Interrupted { .. }
            | ClientError::Silent { .. }
    )
}

/// This host's own node, when it is the one that is asked.
struct Here {
    folders: Option<Folders>,
    /// The other masters, as the node knew them when the waiting began.
    masters: Vec<String>,
}

impl Here {
    fn of(session: &Session) -> Self {
        let global = &session.global;
        if global.server.as_deref().is_some_and(|server| !server.is_empty()) {
            return Self { folders: None, masters: Vec::new() };
        }
        let (root, run_dir) = (global.root.as_deref(), global.run_dir.as_deref());
        let folders = Folders::resolve(&FolderArgs::of_environment(), root, run_dir);
        let known = local::look(&folders, &Invocation::of(root, run_dir));
        let masters = known.map(|view| view.other_masters()).unwrap_or_default();
        Self { folders: Some(folders), masters }
    }

    fn was_removed(&self) -> bool {
        self.folders.as_ref().is_some_and(local::was_removed)
    }

    fn others(&self) -> String {
        match self.masters.as_slice() {
            [] => String::new(),
            masters => format!(" ({})", masters.join(", ")),
        }
    }
}

/// The events of whichever master answers.
struct Changes {
    stream: Option<EventStream>,
}

impl Changes {
    /// Returns when the operation changed, or after a while.
    async fn await_change(&mut self, client: &Client, id: &str) {
        let until = Instant::now() + LOOK_EVERY;
        if self.stream.is_none() {
            self.stream =
                timeout(CONNECT_PATIENCE, client.events()).await.ok().and_then(Result::ok);
        }
        let Some(stream) = &mut self.stream else { return sleep(LOOK_EVERY).await };
        loop {
            match timeout_at(until, stream.next()).await {
                Ok(Ok(Some(Event::Operation(operation)))) if operation.id == id => return,
                Ok(Ok(Some(_))) => {}
                Err(_) => return,
                // The master died or stopped: another one is asked the next time.
                Ok(Ok(None) | Err(_)) => {
                    self.stream = None;
                    return sleep(LOOK_EVERY / 4).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_follows_the_status() {
        for (status, code) in [
            ("succeeded", exit::DONE),
            ("stuck", exit::FAILED),
            ("aborted", exit::FAILED),
            ("running", exit::STILL_RUNNING),
            ("paused", exit::STILL_RUNNING),
            ("aborting", exit::STILL_RUNNING),
        ] {
            assert_eq!(exit_code(status, Aim::Success), code, "{status}");
        }
        assert_eq!(exit_code("aborted", Aim::Undone), exit::DONE);
        assert_eq!(exit_code("stuck", Aim::Undone), exit::FAILED);
    }
}
