//! Users and their sessions.

use quorate_model::{Refusal, Timestamp, UserName, codes};

use super::not_found;
use crate::{Applied, Outcome, Session, State, User, UserRole};

/// How many sessions a user has at most.
const SESSIONS_KEPT: usize = 1_000;

/// A user's sessions beyond a number end, those that expire first before the others. The number
/// decides and not the proposer's clock: whether a session has expired is judged where it is used,
/// so a master whose clock is wrong refuses sessions itself and ends none for the others.
pub(super) fn create_session(state: &mut State, token_sha256: &str, session: &Session) -> Outcome {
    if !state.iam.users.contains_key(&session.user) {
        return Err(not_found(format!("user `{}`", session.user)));
    }
    state.iam.sessions.insert(token_sha256.to_owned(), session.clone());
    let mut others: Vec<(Timestamp, String)> = state
        .iam
        .sessions
        .iter()
        .filter(|(hash, kept)| kept.user == session.user && *hash != token_sha256)
        .map(|(hash, kept)| (kept.expires_at, hash.clone()))
        .collect();
    others.sort_unstable();
    let surplus = (others.len() + 1).saturating_sub(SESSIONS_KEPT);
    for (_, hash) in others.into_iter().take(surplus) {
        state.iam.sessions.remove(&hash);
    }
    Ok(Applied::Done)
}

/// Ending a session that has ended is done already.
pub(super) fn end_session(state: &mut State, token_sha256: &str) -> Outcome {
    state.iam.sessions.remove(token_sha256);
    Ok(Applied::Done)
}

/// A changed password ends every session of the user: whoever knew the old one is out. The last
/// administrator stays one, or nobody could make another. What was decided on a `former` password
/// is refused when that is not the user's any more.
pub(super) fn put(
    state: &mut State,
    name: &UserName,
    user: &User,
    former: Option<&str>,
) -> Outcome {
    let known = state.iam.users.get(name);
    if former.is_some_and(|former| known.is_none_or(|known| known.password_hash != former)) {
        return Err(Refusal::new(
            codes::REVISION_MISMATCH,
            format!("the password of `{name}` is not changed"),
        )
        .cause("it was changed by somebody else meanwhile, or the user is gone")
        .hint("log in and ask again"));
    }
    let is_admin = |user: &User| user.role == UserRole::Admin;
    let others = || state.iam.users.iter().any(|(other, user)| other != name && is_admin(user));
    if state.iam.users.get(name).is_some_and(is_admin) && !is_admin(user) && !others() {
        return Err(Refusal::new(
            codes::LAST_ADMIN,
            format!("`{name}` is the last administrator and stays one"),
        )
        .hint("make another user an administrator first"));
    }
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
