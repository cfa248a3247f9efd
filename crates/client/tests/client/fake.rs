//! A master that answers from a script and remembers what it was asked.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use quorate_api::{ErrorBody, http_status};
use quorate_client::{Client, Endpoint};
use quorate_model::{Code, Refusal};
use tokio::net::{TcpListener, UnixListener};

/// What was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) key: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) if_match: Option<String>,
    pub(crate) body: String,
}

type Script = VecDeque<Box<dyn FnOnce() -> Response + Send>>;

#[derive(Clone, Default)]
pub(crate) struct Fake {
    delay: Duration,
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// Answers the next call with this; calls beyond the script are answered with 500.
    pub(crate) fn answers(self, answer: impl FnOnce() -> Response + Send + 'static) -> Self {
        self.script.lock().unwrap().push_back(Box::new(answer));
        self
    }

    /// Takes so long for each answer.
    pub(crate) fn takes(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub(crate) fn says(self, text: &'static str) -> Self {
        self.answers(move || text.into_response())
    }

    pub(crate) fn refuses(self, code: Code) -> Self {
        self.answers(move || {
            let body = ErrorBody::new(Refusal::new(code, "no").hint("do so"), "REQ1");
            let status = StatusCode::from_u16(http_status(code)).unwrap();
            (status, axum::Json(body)).into_response()
        })
    }

    /// Takes the request and breaks the connection before the answer is whole.
    pub(crate) fn breaks(self) -> Self {
        self.answers(|| {
            let broken =
                futures_util::stream::iter([Err::<&'static str, _>(std::io::Error::other("cut"))]);
            Response::new(Body::from_stream(broken))
        })
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn router(&self) -> Router {
        async fn answer(State(fake): State<Fake>, request: Request) -> Response {
            let (parts, body) = request.into_parts();
            let header = |name: &str| {
                parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
            };
            let mut asked = Asked {
                line: format!("{} {}", parts.method, parts.uri),
                key: header("idempotency-key"),
                token: header("authorization"),
                if_match: header("if-match"),
                body: String::new(),
            };
            let body = to_bytes(body, usize::MAX).await.unwrap();
            asked.body = String::from_utf8(body.to_vec()).unwrap();
            fake.asked.lock().unwrap().push(asked);
            tokio::time::sleep(fake.delay).await;
            let next = fake.script.lock().unwrap().pop_front();
            next.map_or_else(
                || StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                |answer| answer(),
            )
        }
        Router::new().fallback(answer).with_state(self.clone())
    }

    /// Serves on loopback until the test ends; gives the base URL.
    pub(crate) async fn start(&self) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = self.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        url.parse().unwrap()
    }

    pub(crate) fn start_on_socket(&self, path: &Path) -> Endpoint {
        let listener = UnixListener::bind(path).unwrap();
        let router = self.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Endpoint::Unix(path.to_owned())
    }

    pub(crate) async fn client(&self) -> Client {
        Client::new(self.start().await).unwrap()
    }
}

/// An address at which nothing listens.
pub(crate) async fn nobody() -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    url.parse().unwrap()
}
