//! The client: sends calls, follows the masters, repeats what may be repeated.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use quorate_api::ErrorBody;
use quorate_model::codes;
use reqwest::{Method, Response, header};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::{
    ClientError, Endpoint, Mismatch,
    call::{ATTEMPT_TIMEOUT, Call, Repeat},
    connection::Connection,
    error::innermost,
};

const RETRY_FOR: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A master without a leader says so after 10 s.
const ANSWERED_WITHIN: Duration = Duration::from_secs(12);

/// How often it is asked whether a port speaks HTTP at all, and how long each answer may take.
const QUESTIONS: usize = 3;
const QUESTION_ANSWERED_WITHIN: Duration = Duration::from_secs(2);

type OnRetry = Arc<dyn Fn(&ClientError) + Send + Sync>;

/// A client of the masters of one cluster. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    connections: Arc<[Connection]>,
    /// The connection that answered last; the next call begins there.
    preferred: Arc<AtomicUsize>,
    token: Option<Arc<str>>,
    retry_for: Duration,
    on_retry: Option<OnRetry>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("servers", &self.servers()).finish_non_exhaustive()
    }
}

/// Which answer counts as one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    /// The whole text of a success.
    Success,
    /// The whole text, whatever the status.
    AnyStatus,
    /// A success that goes on and on.
    Stream,
}

/// An answer as it was wanted.
enum Answer {
    Whole { status: u16, text: String },
    Stream(Response),
}

/// What is known of a call after one attempt.
enum Attempt {
    Answered(Answer),
    Final(ClientError),
    NotDone(ClientError),
    Unknown(ClientError),
}

impl Client {
    /// A client of one endpoint.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] when the endpoint cannot be used.
    pub fn new(endpoint: Endpoint) -> Result<Self, ClientError> {
        Self::of_all(&[endpoint])
    }

    /// A client of the masters of one cluster; when one does not answer, the next is asked.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] when there is no endpoint or one of them cannot be used.
    pub fn of_all(endpoints: &[Endpoint]) -> Result<Self, ClientError> {
        if endpoints.is_empty() {
            return Err(ClientError::Invalid { reason: "no server is named".to_owned() });
        }
        let connections = endpoints.iter().map(Connection::new).collect::<Result<_, _>>()?;
        Ok(Self {
            connections,
            preferred: Arc::new(AtomicUsize::new(0)),
            token: None,
            retry_for: RETRY_FOR,
            on_retry: None,
        })
    }

    /// Sends this bearer token with every call.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<Arc<str>>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// How long a change is repeated before its last error is returned; 30 s unless set.
    #[must_use]
    pub fn with_retry_for(mut self, retry_for: Duration) -> Self {
        self.retry_for = retry_for;
        self
    }

    /// Is told the reason before each pause between two attempts of a change.
    #[must_use]
    pub fn with_on_retry(mut self, told: impl Fn(&ClientError) + Send + Sync + 'static) -> Self {
        self.on_retry = Some(Arc::new(told));
        self
    }

    /// The servers, as people are told of them.
    #[must_use]
    pub fn servers(&self) -> String {
        let names: Vec<&str> = self.connections.iter().map(|one| one.name.as_str()).collect();
        names.join(", ")
    }

    /// How long a read may take in all before it is given up.
    #[must_use]
    pub fn patience(&self) -> Duration {
        ATTEMPT_TIMEOUT * u32::try_from(self.connections.len()).unwrap_or(u32::MAX)
    }

    /// The JSON that answers a call.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, ClientError> {
        let text = self.text(call).await?;
        serde_json::from_str(&text).map_err(|error| self.foreign(error.to_string()))
    }

    /// The text that answers a call.
    pub(crate) async fn text(&self, call: &Call) -> Result<String, ClientError> {
        self.whole(call, Want::Success).await.map(|(_, text)| text)
    }

    /// The status and the text that answer a call, whatever the status.
    pub(crate) async fn raw(&self, call: &Call) -> Result<(u16, String), ClientError> {
        self.whole(call, Want::AnyStatus).await
    }

    /// The answer to a call, as it comes.
    pub(crate) async fn stream(&self, call: &Call) -> Result<Response, ClientError> {
        match self.send(call, Want::Stream).await? {
            Answer::Stream(response) => Ok(response),
            Answer::Whole { .. } => Err(self.foreign("it is no stream".to_owned())),
        }
    }

    async fn whole(&self, call: &Call, want: Want) -> Result<(u16, String), ClientError> {
        match self.send(call, want).await? {
            Answer::Whole { status, text } => Ok((status, text)),
            Answer::Stream(_) => Err(self.foreign("it has no end".to_owned())),
        }
    }

    fn preferred(&self) -> &Connection {
        &self.connections[self.preferred.load(Ordering::Relaxed) % self.connections.len()]
    }

    fn foreign(&self, reason: String) -> ClientError {
        ClientError::Foreign { what: self.preferred().name.clone(), reason }
    }

    /// Sends a call until it is answered, finally refused, or may not be sent again.
    async fn send(&self, call: &Call, want: Want) -> Result<Answer, ClientError> {
        let key = (call.repeat != Repeat::Read).then(new_key);
        let deadline = Instant::now() + self.retry_for;
        let mut pause = FIRST_PAUSE;
        // Once one attempt may have been applied, a later refusal to connect cannot say "not done".
        let mut doubt: Option<ClientError> = None;
        loop {
            let mut last = None;
            let began = Instant::now();
            for _ in 0..self.connections.len() {
                let patience = call.timeout.map(|timeout| match call.repeat {
                    Repeat::Read => timeout,
                    // An attempt ends with the deadline, but is given the time to be answered: what
                    // a master says would not have been done would be of unknown outcome otherwise.
                    _ => timeout.min((deadline - Instant::now()).max(ANSWERED_WITHIN)),
                });
                let error = match self.attempt(call, key.as_deref(), patience, want).await {
                    Attempt::Answered(answer) => return Ok(answer),
                    // What is no master, or none any more, did nothing; another one is.
                    Attempt::Final(error) if self.connections.len() > 1 && is_no_master(&error) => {
                        error
                    }
                    Attempt::Final(error) if call.repeat == Repeat::Forgotten => {
                        return Err(doubt.unwrap_or(error));
                    }
                    Attempt::Final(error) => return Err(error),
                    Attempt::NotDone(error) => error,
                    Attempt::Unknown(error) if call.repeat == Repeat::NotDone => return Err(error),
                    Attempt::Unknown(error) => {
                        doubt = Some(error.clone());
                        error
                    }
                };
                last = Some(prefer_words(last, error));
                self.preferred.fetch_add(1, Ordering::Relaxed);
            }
            let error = match (last, call.repeat) {
                (Some(error), Repeat::Read) if want == Want::Stream => {
                    return Err(self.of_all_servers(error));
                }
                (Some(error), Repeat::Read) => return Err(self.of_read(error)),
                (Some(error), _) => error,
                (None, _) => return Err(self.foreign("there is no server".to_owned())),
            };
            // A round that may take as long as this one must end in time, too. Only a doubt is worth
            // every attempt there is: the next may be the one that knows.
            let round = if doubt.is_none() { began.elapsed() } else { Duration::ZERO };
            if Instant::now() + pause + round > deadline {
                return Err(doubt.unwrap_or_else(|| self.of_all_servers(error)));
            }
            if let Some(told) = &self.on_retry {
                told(&error);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// When none of the servers could be reached, all of them are named.
    fn of_all_servers(&self, error: ClientError) -> ClientError {
        match error {
            ClientError::Unreachable { reason, .. } => {
                ClientError::Unreachable { what: self.servers(), reason }
            }
            other => other,
        }
    }

    /// A read that was not answered has changed nothing, and must not sound as if it might have.
    fn of_read(&self, error: ClientError) -> ClientError {
        match error {
            ClientError::Interrupted { what, reason } => ClientError::Silent { what, reason },
            other => self.of_all_servers(other),
        }
    }

    async fn attempt(
        &self,
        call: &Call,
        key: Option<&str>,
        patience: Option<Duration>,
        want: Want,
    ) -> Attempt {
        let connection = self.preferred();
        let mut request = match connection.request(call.method.clone(), &call.segments) {
            Ok(request) => request.query(&call.query),
            Err(error) => return Attempt::Final(error),
        };
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(revision) = call.if_match {
            request = request.header(header::IF_MATCH, revision);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &call.body {
            request = request.header(header::CONTENT_TYPE, body.content_type);
            request = request.body(body.bytes.clone());
        }
        if let Some(patience) = patience {
            request = request.timeout(patience);
        }
        match request.send().await {
            Ok(response) if want == Want::Stream && response.status().is_success() => {
                Attempt::Answered(Answer::Stream(response))
            }
            Ok(response) => read(connection, response, want).await,
            Err(error) => match failed(connection, &error, patience) {
                // It was sent. A port that does not speak HTTP now either is a wrong one, and did
                // nothing with it; otherwise the answer was garbled on its way, as by a broken proxy
                // before a master that did what was asked.
                Attempt::Final(ClientError::WrongProtocol { what, mismatch })
                    if call.repeat != Repeat::Read
                        && !error.is_connect()
                        && speaks_http(connection).await =>
                {
                    let reason = mismatch.to_string();
                    Attempt::Unknown(ClientError::Interrupted { what, reason })
                }
                attempt => attempt,
            },
        }
    }
}

/// Whether a server answers a harmless question in HTTP, as far as can be told: one that does not
/// answer at all is not known to be no master's.
async fn speaks_http(connection: &Connection) -> bool {
    for _ in 0..QUESTIONS {
        let Ok(question) = connection.request(Method::GET, &["healthz".to_owned()]) else {
            return false;
        };
        match question.timeout(QUESTION_ANSWERED_WITHIN).send().await {
            Ok(_) => return true,
            Err(error) if Mismatch::of(&error).is_some() => return false,
            // A connection that was reset may have cut off what would have told.
            Err(_) => {}
        }
    }
    true
}

/// What is known of a call that was not answered.
fn failed(connection: &Connection, error: &reqwest::Error, patience: Option<Duration>) -> Attempt {
    let what = connection.name.clone();
    if let Some(mismatch) = Mismatch::of(error) {
        return Attempt::Final(ClientError::WrongProtocol { what, mismatch });
    }
    let reason = match patience {
        Some(patience) if error.is_timeout() && !error.is_connect() => {
            format!("no answer within {} s", patience.as_secs_f64().round())
        }
        _ => innermost(error),
    };
    if error.is_connect() {
        Attempt::NotDone(ClientError::Unreachable { what, reason })
    } else if error.is_builder() {
        Attempt::Final(ClientError::Invalid { reason })
    } else {
        Attempt::Unknown(ClientError::Interrupted { what, reason })
    }
}

/// Whether what was asked serves no master's API.
fn is_no_master(error: &ClientError) -> bool {
    error.code() == codes::NODE_REMOVED || matches!(error, ClientError::WrongProtocol { .. })
}

/// Of two failures of a round, what a master said tells more than that another did not answer.
fn prefer_words(earlier: Option<ClientError>, later: ClientError) -> ClientError {
    match (earlier, later) {
        (Some(said @ ClientError::Api { .. }), ClientError::Unreachable { .. }) => said,
        (_, later) => later,
    }
}

/// Reads an answer to its end; only then is it one.
async fn read(connection: &Connection, response: Response, want: Want) -> Attempt {
    let status = response.status();
    match response.text().await {
        Ok(text) if want == Want::AnyStatus || status.is_success() => {
            Attempt::Answered(Answer::Whole { status: status.as_u16(), text })
        }
        Ok(text) => judge(connection, status.as_u16(), &text),
        Err(error) => Attempt::Unknown(ClientError::Interrupted {
            what: connection.name.clone(),
            reason: innermost(&error),
        }),
    }
}

fn judge(connection: &Connection, status: u16, text: &str) -> Attempt {
    let Ok(body) = serde_json::from_str::<ErrorBody>(text) else {
        return Attempt::Final(ClientError::Foreign {
            what: connection.name.clone(),
            reason: format!("HTTP {status}, without the body of an error"),
        });
    };
    let code = body.code;
    let error = ClientError::Api { body: Box::new(body), status };
    match code {
        // Without its storage a master does nothing; another one may.
        codes::NOT_READY | codes::NO_LEADER | codes::DISK_FULL | codes::STORAGE_FAILED => {
            Attempt::NotDone(error)
        }
        codes::OUTCOME_UNKNOWN => Attempt::Unknown(error),
        _ => Attempt::Final(error),
    }
}

/// A new idempotency key: 128 random bits.
#[expect(
    clippy::expect_used,
    reason = "without randomness two changes could be taken for one; to stop is safer"
)]
fn new_key() -> String {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the operating system provides randomness");
    format!("{:032x}", u128::from_le_bytes(bytes))
}
