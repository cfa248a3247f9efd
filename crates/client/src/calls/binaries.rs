//! `/binaries`: uploading a binary of Quorate for an upgrade.

use quorate_api::rest::BinaryView;
use reqwest::Method;

use crate::{Client, ClientError, call::Call};

impl Client {
    /// How far a binary is on the disk of the master that answers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn binary(&self, sha256: &str) -> Result<BinaryView, ClientError> {
        self.json(&Call::get(&["binaries", sha256])?).await
    }

    /// Sends the part of a binary that begins at `offset`, of `size` bytes in all. The answer says
    /// where the next part begins; after a change of the master that is elsewhere.
    ///
    /// # Errors
    /// [`ClientError::Api`] when the binary is not taken.
    pub async fn put_binary(
        &self,
        sha256: &str,
        offset: u64,
        size: u64,
        part: Vec<u8>,
    ) -> Result<BinaryView, ClientError> {
        let call = Call::change(Method::PUT, &["binaries", sha256])?
            .query("offset", offset.to_string())
            .query("size", size.to_string())
            .bytes(part);
        self.json(&call).await
    }
}
