//! REST as an outsider uses it: plain HTTP, no help from the product's own client.

use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};

/// An answer: its status and its body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, when it is JSON.
    pub body: Value,
}

/// A caller of one or more masters.
#[derive(Debug, Clone)]
pub struct Rest {
    client: Client,
    token: Option<String>,
}

impl Default for Rest {
    fn default() -> Self {
        Self::new()
    }
}

impl Rest {
    /// A caller without a login.
    ///
    /// # Panics
    /// When the HTTP client cannot be made.
    #[must_use]
    pub fn new() -> Self {
        Self { client: client(Duration::from_secs(15)), token: None }
    }

    /// Gives up a call after this time from now on.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { client: client(deadline), ..self }
    }

    /// Calls with this token from now on.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Logs in.
    ///
    /// # Errors
    /// The answer, when it is not 200, or why there is none.
    pub async fn login(self, url: &str, user: &str, password: &str) -> Result<Self, String> {
        let body = json!({ "username": user, "password": password });
        let answer = self.call(url, Method::POST, "/admin/api/auth/login", Some(body), &[]).await?;
        match answer.body["accessToken"].as_str() {
            Some(token) if answer.status == 200 => Ok(self.clone().with_token(token)),
            _ => Err(format!("login: {} {}", answer.status, answer.body)),
        }
    }

    /// Makes a call.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn call(
        &self,
        url: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, String> {
        let mut request = self.client.request(method, format!("{url}{path}"));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.map_err(|error| format!("{error:?}"))?;
        let status = response.status().as_u16();
        let text = response.text().await.map_err(|error| format!("{error:?}"))?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, body })
    }

    /// Reads.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn get(&self, url: &str, path: &str) -> Result<Answer, String> {
        self.call(url, Method::GET, path, None, &[]).await
    }

    /// Writes a setting.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn put_setting(&self, url: &str, key: &str, value: &Value) -> Result<Answer, String> {
        let path = format!("/admin/api/settings/{key}");
        self.call(url, Method::PUT, &path, Some(json!({ "value": value })), &[]).await
    }
}

fn client(deadline: Duration) -> Client {
    crate::cluster::install_tls_provider();
    Client::builder().timeout(deadline).build().unwrap()
}
