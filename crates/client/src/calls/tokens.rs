//! `/tokens`: join tokens.

use quorate_api::rest::{CreateTokenBody, TokenCreated, TokenView};
use reqwest::Method;

use crate::{Client, ClientError, call::Call};

impl Client {
    /// The tokens, without their secrets.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn tokens(&self) -> Result<Vec<TokenView>, ClientError> {
        self.json(&Call::get(&["tokens"])?).await
    }

    /// Makes a join token; its text is in this answer and nowhere else.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn token_create(&self, body: &CreateTokenBody) -> Result<TokenCreated, ClientError> {
        self.json(&Call::change(Method::POST, &["tokens"])?.body(body)?).await
    }

    /// Makes a join token unusable.
    ///
    /// # Errors
    /// [`ClientError::Api`] with `NOT_FOUND` when there is none of that id.
    pub async fn token_revoke(&self, id: &str) -> Result<(), ClientError> {
        self.text(&Call::change(Method::DELETE, &["tokens", id])?).await.map(drop)
    }
}
