//! A browser without a window: requests through the real router, over a sample.

use axum::{
    Router,
    body::Body,
    http::{Request, Response, header},
};
use http_body_util::BodyExt;
use quorate_console::{
    router_over,
    samples::{Sample, SampleCluster},
};
use tower::ServiceExt;

pub(crate) struct Browser {
    pub(crate) cluster: SampleCluster,
    router: Router,
    cookie: Option<String>,
    headers: Vec<(&'static str, &'static str)>,
}

pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) body: String,
    headers: axum::http::HeaderMap,
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The token that the page's forms carry.
    pub(crate) fn form_token(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    /// The value of a hidden field.
    pub(crate) fn field(&self, name: &str) -> String {
        let (_, rest) = self.body.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    pub(crate) fn new(sample: Sample) -> Self {
        let cluster = SampleCluster::new(sample);
        let router = router_over(cluster.clone());
        Self { cluster, router, cookie: None, headers: Vec::new() }
    }

    pub(crate) fn logged_in(sample: Sample) -> Self {
        Self::new(sample).with_session("sample-ann")
    }

    pub(crate) fn with_session(mut self, token: &str) -> Self {
        self.cookie = Some(format!("quorate_session={token}"));
        self
    }

    /// Sends a header with every request.
    pub(crate) fn sending(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.send(self.request("GET", path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get_partial(&self, path: &str) -> Page {
        let request = self.request("GET", path).header("x-partial", "main");
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> Page {
        let request = self
            .request("POST", path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// Sends a request and gives the answer before its body has ended.
    pub(crate) async fn open(&self, path: &str) -> Response<Body> {
        let request = self.request("GET", path).body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let mut request =
            Request::builder().method(method).uri(path).header(header::HOST, "10.0.0.1:8080");
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        request
    }

    async fn send(&self, request: Request<Body>) -> Page {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Page {
            status: parts.status.as_u16(),
            body: String::from_utf8_lossy(&body).into_owned(),
            headers: parts.headers,
        }
    }
}
