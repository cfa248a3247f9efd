//! The console as a browser meets it: through a follower, with its cookie and its forms.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use quorate_testkit::{ClusterBuilder, eventually};
use reqwest::{Client, Response, StatusCode, header, redirect};
use serde_json::json;

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");

/// A browser that has one tab and follows no redirect by itself.
struct Browser {
    client: Client,
    url: String,
    cookie: String,
}

impl Browser {
    fn at(url: String) -> Self {
        let client = Client::builder().redirect(redirect::Policy::none());
        let client = client.timeout(Duration::from_secs(20)).build().unwrap();
        Self { client, url, cookie: String::new() }
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.url));
        request.header(header::COOKIE, &self.cookie).send().await.unwrap()
    }

    async fn page(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.text().await.unwrap()
    }

    /// Sends a form as the console's own page does.
    async fn submit(&self, path: &str, form: &str) -> Response {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.header(header::COOKIE, &self.cookie);
        let request = request.header(header::ORIGIN, &self.url);
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        request.body(form.to_owned()).send().await.unwrap()
    }
}

fn location(response: &Response) -> String {
    response.headers()[header::LOCATION].to_str().unwrap().to_owned()
}

/// The value of a hidden field.
fn field(page: &str, name: &str) -> String {
    let begin = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("no `{name}` in {page}"));
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_is_restarted_in_the_console_of_a_follower() {
    let cluster = ClusterBuilder::new(QUORATE).node_managers(1).start().await;
    cluster
        .create_component(json!({
            "name": "sleeper", "pack": "process",
            "instances": [{ "node": "nm1" }], "settings": { "command": ["sleep", "100000"] },
        }))
        .await;
    let before = cluster.pids("sleeper").await;
    let follower = (cluster.leader().await + 1) % 3;
    let mut browser = Browser::at(cluster.masters[follower].url());

    // Nobody looks without a login, and comes back to the page asked for after it.
    let stranger = browser.get("/components/sleeper").await;
    assert_eq!(stranger.status(), StatusCode::SEE_OTHER);
    assert!(location(&stranger).starts_with("/login?"), "{}", location(&stranger));
    let wrong = browser.submit("/login", "username=admin&password=hunter2").await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let login = "username=admin&password=admin&next=%2Fcomponents%2Fsleeper";
    let welcome = browser.submit("/login", login).await;
    assert_eq!(
        (welcome.status(), &*location(&welcome)),
        (StatusCode::SEE_OTHER, "/components/sleeper")
    );
    let cookie = welcome.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    cookie.split(';').next().unwrap().clone_into(&mut browser.cookie);

    // Every page there is, on a real cluster; nothing on them comes from anywhere else.
    for (path, word) in [
        ("/", "sleeper"),
        ("/nodes", "nm1"),
        ("/components", "sleeper"),
        ("/components/sleeper", "sleeper-1"),
        ("/components/sleeper/logs/sleeper-1", "sleeper-1"),
        ("/operations", "sleeper"),
        ("/audit", "admin"),
        ("/doctor", "clock"),
    ] {
        let page = browser.page(path).await;
        assert!(page.contains(word), "no `{word}` on {path}: {page}");
        for foreign in ["src=\"http", "href=\"http", "url(http", "@import"] {
            assert!(!page.contains(foreign), "{path} loads something from elsewhere: {page}");
        }
    }
    assert_eq!(browser.get("/components/nobody").await.status(), StatusCode::NOT_FOUND);

    // The plan, and what confirms it; a form that comes from no page of this session does not. The
    // only instance is a service that will be away, and one says so.
    let path = "/components/sleeper/restart";
    let page = browser.page(&format!("{path}?accept=interruption")).await;
    let (token, plan) = (field(&page, "csrf"), field(&page, "plan"));
    let form = |token: &str, plan: &str| format!("csrf={token}&plan={plan}&accept=interruption");
    let forged = browser.submit(path, &form("0000", &plan)).await;
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
    let stale = browser.submit(path, &form(&token, "0000")).await;
    assert_eq!(stale.status(), StatusCode::CONFLICT, "a plan that was never shown");
    assert_eq!(cluster.pids("sleeper").await, before);
    let begun = browser.submit(path, &form(&token, &plan)).await;
    assert_eq!(begun.status(), StatusCode::SEE_OTHER, "{}", begun.text().await.unwrap());
    let operation = location(&begun);
    assert!(operation.starts_with("/operations/"), "{operation}");
    eventually("the operation to be done", Duration::from_secs(60), || async {
        browser.page(&operation).await.contains("succeeded")
    })
    .await;
    assert_ne!(cluster.pids("sleeper").await, before);

    let events = browser.get("/events").await;
    assert_eq!(events.headers()[header::CONTENT_TYPE], "text/event-stream");
    drop(events);

    // After the logout the cookie opens nothing, on no master.
    let token = field(&browser.page("/").await, "csrf");
    let left = browser.submit("/logout", &format!("csrf={token}")).await;
    assert_eq!(left.status(), StatusCode::SEE_OTHER);
    for master in &cluster.masters {
        browser.url = master.url();
        eventually("the session to be over", Duration::from_secs(10), || async {
            browser.get("/nodes").await.status() == StatusCode::SEE_OTHER
        })
        .await;
    }
}
