//! `/auth`: logging in and out.

use quorate_api::rest::{ChangePassword, Login, LoginAnswer, WhoAmI};
use reqwest::Method;

use crate::{
    Client, ClientError,
    call::{Call, Repeat},
};

impl Client {
    /// Begins a session. The answer's token goes into [`Client::with_token`].
    ///
    /// # Errors
    /// [`ClientError::Api`] with `LOGIN_FAILED` when the name or the password is wrong.
    pub async fn login(&self, login: &Login) -> Result<LoginAnswer, ClientError> {
        self.json(&Call::change(Method::POST, &["auth", "login"])?.body(login)?).await
    }

    /// Ends the session of the token.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn logout(&self) -> Result<(), ClientError> {
        let call = Call::change(Method::POST, &["auth", "logout"])?.repeat(Repeat::NotDone);
        self.text(&call).await.map(drop)
    }

    /// Changes one's own password; every session of the user ends, this one too.
    ///
    /// # Errors
    /// [`ClientError::Api`] with `LOGIN_FAILED` or `PASSWORD_TOO_WEAK`. It is not repeated when
    /// its outcome is unknown, for a second time the old password would be wrong.
    pub async fn change_password(&self, change: &ChangePassword) -> Result<(), ClientError> {
        let call = Call::change(Method::POST, &["auth", "password"])?
            .repeat(Repeat::NotDone)
            .body(change)?;
        self.text(&call).await.map(drop)
    }

    /// Who is logged in.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn who_am_i(&self) -> Result<WhoAmI, ClientError> {
        self.json(&Call::get(&["auth", "me"])?).await
    }
}
