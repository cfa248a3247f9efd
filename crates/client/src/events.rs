//! What changes in the cluster, as it changes.

use std::{collections::VecDeque, fmt};

use quorate_api::rest::OperationSummary;
use reqwest::Response;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Client, ClientError,
    call::Call,
    error::innermost,
    sse::{Parser, RawEvent},
};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The master applied entries of the log up to this index.
    State {
        /// The index.
        applied_index: u64,
    },
    /// An operation was begun or went on.
    Operation(Box<OperationSummary>),
    /// A component was created, changed or removed.
    Component {
        /// Its name.
        name: String,
    },
    /// Node managers saw something new.
    Observed,
    /// A kind of event that this version does not know.
    Other {
        /// Its name.
        name: String,
    },
}

/// The events of one connection to a master. It ends with the connection: ask for a new one then,
/// which begins with everything there is.
pub struct EventStream {
    server: String,
    response: Response,
    parser: Parser,
    ready: VecDeque<RawEvent>,
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Client {
    /// Follows what changes.
    ///
    /// # Errors
    /// [`ClientError`] when no master begins to answer.
    pub async fn events(&self) -> Result<EventStream, ClientError> {
        let call = Call::get(&["events"])?.endless();
        let response = self.stream(&call).await?;
        Ok(EventStream {
            server: self.servers(),
            response,
            parser: Parser::default(),
            ready: VecDeque::new(),
        })
    }
}

impl EventStream {
    /// The next event; `None` when the master ended the stream. It may be dropped while it waits
    /// without losing an event.
    ///
    /// # Errors
    /// [`ClientError::Interrupted`] when the connection broke or has been silent for 30 s,
    /// [`ClientError::Foreign`] when an event cannot be read.
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            if let Some(raw) = self.ready.pop_front() {
                return self.read(&raw).map(Some);
            }
            let piece = self.response.chunk().await.map_err(|error| ClientError::Interrupted {
                what: self.server.clone(),
                reason: innermost(&error),
            })?;
            let Some(piece) = piece else { return Ok(None) };
            let events = self.parser.push(&piece).map_err(|reason| self.foreign(reason))?;
            self.ready.extend(events);
        }
    }

    fn foreign(&self, reason: String) -> ClientError {
        ClientError::Foreign { what: self.server.clone(), reason }
    }

    fn read(&self, raw: &RawEvent) -> Result<Event, ClientError> {
        match raw.name.as_str() {
            "state" => {
                let State { applied_index } = self.data(raw)?;
                Ok(Event::State { applied_index })
            }
            "operation" => Ok(Event::Operation(Box::new(self.data(raw)?))),
            "component" => {
                let Component { name } = self.data(raw)?;
                Ok(Event::Component { name })
            }
            "observed" => Ok(Event::Observed),
            other => Ok(Event::Other { name: other.to_owned() }),
        }
    }

    fn data<T: DeserializeOwned>(&self, raw: &RawEvent) -> Result<T, ClientError> {
        serde_json::from_str(&raw.data)
            .map_err(|error| self.foreign(format!("event `{}`: {error}", raw.name)))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    applied_index: u64,
}

#[derive(Deserialize)]
struct Component {
    name: String,
}
