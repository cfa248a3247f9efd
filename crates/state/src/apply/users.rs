//! Users and their sessions.

use quorate_model::UserName;

use super::{Context, not_found};
use crate::{Applied, Outcome, Session, State, User};

/// Sessions that have expired are dropped whenever one is made, so they never pile up.
pub(super) fn create_session(
    state: &mut State,
    context: &Context<'_>,
    token_sha256: &str,
    session: &Session,
) -> Outcome {
    if !state.iam.users.contains_key(&session.user) {
        return Err(not_found(format!("user `{}`", session.user)));
    }
    keep_sessions(state, |kept| kept.expires_at > context.proposal.at);
    state.iam.sessions.insert(token_sha256.to_owned(), session.clone());
    Ok(Applied::Done)
}

/// Ending a session that has ended is done already.
pub(super) fn end_session(state: &mut State, token_sha256: &str) -> Outcome {
    state.iam.sessions.remove(token_sha256);
    Ok(Applied::Done)
}

/// A changed password ends every session of the user: whoever knew the old one is out.
pub(super) fn put(state: &mut State, name: &UserName, user: &User) -> Outcome {
    let password_changed =
        state.iam.users.get(name).is_some_and(|known| known.password_hash != user.password_hash);
    if password_changed {
        keep_sessions(state, |session| session.user != *name);
    }
    state.iam.users.insert(name.clone(), user.clone());
    Ok(Applied::Done)
}

fn keep_sessions(state: &mut State, keep: impl Fn(&Session) -> bool) {
    let sessions = std::mem::take(&mut state.iam.sessions);
    state.iam.sessions = sessions.into_iter().filter(|(_, session)| keep(session)).collect();
}
