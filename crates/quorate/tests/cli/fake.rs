//! A master that answers each path from a script and remembers what it was asked.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use quorate_api::{ErrorBody, http_status};
use quorate_model::{Code, Refusal};
use serde_json::{Value, json};
use tokio::net::{TcpListener, UnixListener};

#[derive(Clone)]
struct Answer {
    status: u16,
    body: String,
}

/// What was asked: method and path, the bearer token, the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) token: Option<String>,
    pub(crate) body: String,
}

#[derive(Clone, Default)]
pub(crate) struct Fake {
    answers: Arc<Mutex<BTreeMap<String, VecDeque<Answer>>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// Answers `METHOD PATH` with this; the last answer of a path is repeated.
    pub(crate) fn on(self, line: &str, status: u16, body: Value) -> Self {
        let body = match body {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let mut answers = self.answers.lock().unwrap();
        answers.entry(full(line)).or_default().push_back(Answer { status, body });
        drop(answers);
        self
    }

    pub(crate) fn refuses(self, line: &str, code: Code, message: &str) -> Self {
        let refusal = Refusal::new(code, message).cause("it is so").hint("do so");
        let body = serde_json::to_value(ErrorBody::new(refusal, "01J8REQ")).unwrap();
        self.on(line, http_status(code), body)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    fn router(&self) -> Router {
        async fn answer(State(fake): State<Fake>, request: Request) -> Response {
            let (parts, body) = request.into_parts();
            let line = format!("{} {}", parts.method, parts.uri);
            let token = parts.headers.get("authorization").map(|v| v.to_str().unwrap().to_owned());
            let body = to_bytes(body, usize::MAX).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            fake.asked.lock().unwrap().push(Asked { line: line.clone(), token, body });
            let mut answers = fake.answers.lock().unwrap();
            let Some(script) = answers.get_mut(&line) else {
                return StatusCode::NOT_IMPLEMENTED.into_response();
            };
            let answer = match script.len() {
                1 => script[0].clone(),
                _ => script.pop_front().unwrap(),
            };
            (StatusCode::from_u16(answer.status).unwrap(), answer.body).into_response()
        }
        Router::new().fallback(answer).with_state(self.clone())
    }

    pub(crate) fn start_on_socket(&self, path: &Path) {
        let listener = UnixListener::bind(path).unwrap();
        let router = self.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    /// Serves on loopback; gives the base URL.
    pub(crate) async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = self.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }
}

fn full(line: &str) -> String {
    let (method, path) = line.split_once(' ').unwrap();
    format!("{method} /admin/api/{path}")
}

/// A status with this verdict.
pub(crate) fn status(quorate: bool, healthy: bool) -> Value {
    json!({
        "clusterId": "01J8CLUSTER", "quorate": quorate, "healthy": healthy, "problems": [],
        "leader": "n1", "term": 2, "epoch": 0, "featureLevel": 1, "appliedIndex": 9, "voters": 1,
        "joint": false, "failureTolerance": 0, "oneMoreDeath": "", "recovery": null,
        "tombstones": [], "preferredLeader": null, "evenVoters": null, "autopilotWaits": "",
        "enrolmentsWaiting": 0, "operations": [], "masters": [], "nodeManagers": [],
    })
}

/// The plan of a restart.
pub(crate) fn plan() -> Value {
    json!({
        "title": "component restart orders", "locks": ["orders"],
        "steps": [step("restart `orders-1`", "pending")],
    })
}

fn step(title: &str, status: &str) -> Value {
    json!({
        "number": 1, "kind": "desire", "title": title, "why": "It is safe.", "deadlineMs": 1000,
        "status": status, "startedAt": null, "endedAt": null, "seen": "",
    })
}

/// A restart that is this far.
pub(crate) fn operation(status: &str, step_status: &str) -> Value {
    let finished = usize::from(step_status == "finished");
    json!({
        "id": "01J8OP", "title": "component restart orders", "status": status,
        "finishedSteps": finished, "steps": 1, "requestedBy": "admin",
        "requestedAt": "2026-01-02T03:04:05Z", "endedAt": null,
        "stepList": [step("restart `orders-1`", step_status)], "refusal": null, "transcript": [],
    })
}
