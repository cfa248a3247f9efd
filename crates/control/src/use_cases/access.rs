//! Logging in and out, and changing one's password.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use quorate_api::rest::{ChangePassword, Login, LoginAnswer, WhoAmI};
use quorate_keyring::identity::{
    SessionToken, hash_password, hash_session_token, spend_password_check, verify_password,
};
use quorate_model::{Refusal, RequestId, UserName, codes, hex};
use quorate_state::{Command, Session, User};

use crate::{Control, Principal};

/// The shortest password a person may choose, in characters.
const SHORTEST_PASSWORD: usize = 12;

/// How long a login waits for its turn to have the password checked.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Begins a session for somebody who asks from an address. Every login is a session of its own,
/// so a repeated one needs no key. One that fails is written to the node's log, without the
/// password.
///
/// # Errors
/// One refusal for every wrong pair of name and password: it does not tell which was wrong.
pub async fn login(control: &Control, login: &Login, from: &str) -> Result<LoginAnswer, Refusal> {
    let answer = begin_session(control, login).await;
    if answer.as_ref().is_err_and(|refusal| refusal.code == codes::LOGIN_FAILED) {
        control.shared.failed_logins.note(&login.username, from, Instant::now());
    }
    answer
}

async fn begin_session(control: &Control, login: &Login) -> Result<LoginAnswer, Refusal> {
    let state = control.linearized().await?;
    let wrong = || {
        Refusal::new(codes::LOGIN_FAILED, "the user name or the password is wrong")
            .hint("check both; a new cluster begins with admin/admin, one that was reset with the password that `quorate reset` said")
    };
    let name = UserName::new(login.username.as_str()).map_err(|_| wrong())?;
    let user = state.iam.users.get(&name).cloned();
    if !verify_off_thread(control, login.password.clone(), user.as_ref()).await? {
        return Err(wrong());
    }
    let user = user.ok_or_else(wrong)?;
    let token = SessionToken::generate();
    let expires_at = control.now().plus(control.shared.parts.options.session_lifetime);
    let command = Command::CreateSession {
        token_sha256: hex(&token.hash()),
        session: Session { user: name.clone(), expires_at },
    };
    // What the password was checked against may be gone with a reset by now.
    let caller = Principal {
        user: name,
        role: user.role,
        must_change_password: user.must_change_password,
        allowed_after: Some(state.metadata.last_reset),
    };
    control.propose_for(&caller, None, command).await?;
    Ok(LoginAnswer {
        access_token: token.text().to_owned(),
        expires_at: expires_at.to_string(),
        must_change_password: user.must_change_password,
    })
}

/// Hashing a password takes tens of milliseconds of a core on purpose; an unknown user costs the
/// same, so that timing does not tell who exists.
async fn verify_off_thread(
    control: &Control,
    password: String,
    user: Option<&User>,
) -> Result<bool, Refusal> {
    let hash = user.map(|user| user.password_hash.clone());
    hash_off_thread(control, move || match hash {
        Some(hash) => verify_password(&password, &hash),
        None => {
            spend_password_check(&password);
            false
        }
    })
    .await
}

/// Runs a hashing of a password when it is its turn. The turn ends with the hashing, not with the
/// caller: one who hangs up early makes no room for another.
pub(super) async fn hash_off_thread<T: Send + 'static>(
    control: &Control,
    hashing: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let turn = Arc::clone(&control.shared.password_checks).acquire_owned();
    let Ok(Ok(turn)) = tokio::time::timeout(LONGEST_WAIT, turn).await else {
        return Err(Refusal::new(codes::NOT_READY, "too many logins at once")
            .cause("every password is hashed on purpose at some cost, a few at a time")
            .hint("try again in a few seconds"));
    };
    let hashed = tokio::task::spawn_blocking(move || {
        let hashed = hashing();
        drop(turn);
        hashed
    });
    hashed.await.map_err(|error| Refusal::new(codes::INTERNAL, format!("hashing failed: {error}")))
}

/// Finds who a session token belongs to.
///
/// # Errors
/// When the token is unknown or has expired; when there is no leader to ask about it.
pub async fn authenticate(control: &Control, token: &str) -> Result<Principal, Refusal> {
    let refused = || {
        Refusal::new(codes::UNAUTHENTICATED, "login is needed")
            .cause("the access token is absent, unknown or has expired")
            .hint("quorate login, or POST /admin/api/auth/login")
    };
    let key = hash_session_token(token).map(|hash| hex(&hash)).ok_or_else(refused)?;
    let state = control.state();
    let found = principal_of(&state, &key, control.now());
    if let Some(principal) = found {
        return Ok(principal);
    }
    // A login on another master a moment ago may not have reached this one yet.
    let state = control.linearized().await?;
    principal_of(&state, &key, control.now()).ok_or_else(refused)
}

fn principal_of(
    state: &quorate_state::State,
    token_sha256: &str,
    now: quorate_model::Timestamp,
) -> Option<Principal> {
    let session = state.iam.sessions.get(token_sha256)?;
    let user = state.iam.users.get(&session.user)?;
    (session.expires_at > now).then(|| Principal {
        user: session.user.clone(),
        role: user.role,
        must_change_password: user.must_change_password,
        allowed_after: Some(state.metadata.last_reset),
    })
}

/// Ends a session.
///
/// # Errors
/// When there is no leader.
pub async fn logout(
    control: &Control,
    principal: &Principal,
    token: &str,
    request_id: Option<RequestId>,
) -> Result<(), Refusal> {
    let Some(hash) = hash_session_token(token) else { return Ok(()) };
    let command = Command::EndSession { token_sha256: hex(&hash) };
    control.propose_for(principal, request_id, command).await.map(|_| ())
}

/// Changes one's own password; every session of the user ends. So does that of the caller, which
/// is why a repeat needs no key: it finds no session any more.
///
/// # Errors
/// When the present password is wrong or the new one too weak.
pub async fn change_password(
    control: &Control,
    principal: &Principal,
    change: &ChangePassword,
) -> Result<(), Refusal> {
    let state = control.linearized().await?;
    let user = state.iam.users.get(&principal.user).cloned();
    if !verify_off_thread(control, change.current.clone(), user.as_ref()).await? {
        return Err(Refusal::new(codes::LOGIN_FAILED, "the present password is wrong"));
    }
    check_new_password(&change.new)?;
    if change.new == change.current {
        return Err(weak("it is the present one"));
    }
    let Some(user) = user else {
        return Err(Refusal::new(codes::NOT_FOUND, "the user does not exist any more"));
    };
    let new = change.new.clone();
    let password_hash = hash_off_thread(control, move || hash_password(&new))
        .await?
        .map_err(|error| Refusal::from(&error))?;
    // Only in the place of the one that was checked: hashing takes its time, and a reset or another
    // change may have come in between.
    let former = Some(user.password_hash);
    let command = Command::PutUser {
        name: principal.user.clone(),
        user: User { password_hash, must_change_password: false, ..user },
        former,
    };
    control.propose_for(principal, None, command).await.map(|_| ())
}

/// Whether a password is long enough.
pub(super) fn check_new_password(new: &str) -> Result<(), Refusal> {
    if new.chars().count() < SHORTEST_PASSWORD {
        return Err(weak("it has fewer than 12 characters"));
    }
    Ok(())
}

fn weak(cause: &str) -> Refusal {
    Refusal::new(codes::PASSWORD_TOO_WEAK, "the new password is too weak")
        .cause(cause)
        .hint("take four random words, or a password manager's choice")
}

/// Who is logged in.
#[must_use]
pub fn who_am_i(principal: &Principal) -> WhoAmI {
    WhoAmI {
        username: principal.user.to_string(),
        role: format!("{:?}", principal.role).to_lowercase(),
    }
}
