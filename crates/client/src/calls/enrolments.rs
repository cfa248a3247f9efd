//! `/enrolments`: joiners that wait for approval.

use quorate_api::rest::{ApproveBody, EnrolmentView};
use reqwest::Method;

use crate::{Client, ClientError, call::Call};

impl Client {
    /// The joiners that wait, or were approved and have not come in yet.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn enrolments(&self) -> Result<Vec<EnrolmentView>, ClientError> {
        self.json(&Call::get(&["enrolments"])?).await
    }

    /// Lets in the joiner with this key.
    ///
    /// # Errors
    /// [`ClientError::Api`] when nobody waits under that id, or with another key.
    pub async fn enrolment_approve(&self, id: &str, key_sha256: &str) -> Result<(), ClientError> {
        let body = ApproveBody { key_sha256: key_sha256.to_owned() };
        let call = Call::change(Method::POST, &["enrolments", id, "approve"])?.body(&body)?;
        self.text(&call).await.map(drop)
    }

    /// Turns a joiner away.
    ///
    /// # Errors
    /// [`ClientError::Api`] when nobody waits under that id.
    pub async fn enrolment_refuse(&self, id: &str) -> Result<(), ClientError> {
        self.text(&Call::change(Method::POST, &["enrolments", id, "refuse"])?).await.map(drop)
    }
}
