//! Who gets in, which forms are obeyed, and the headers of every answer.

use http_body_util::BodyExt;
use quorate_console::samples::{self, NIGHT};

use crate::harness::Browser;

const OPERATION: &str = "/operations/01K1N6W7Q0T5Y8ZC3V9B2M4X6D";

#[tokio::test]
async fn the_session_cookie_is_kept_from_scripts_and_other_sites() {
    let browser = Browser::new(samples::healthy(NIGHT));
    let page = browser.post("/login", "username=ann&password=sample&next=/nodes").await;
    assert_eq!((page.status, page.header("location")), (303, Some("/nodes")));
    let cookie = page.header("set-cookie").unwrap();
    assert_eq!(cookie, "quorate_session=sample-ann; Path=/; HttpOnly; SameSite=Strict");

    let browser = browser.sending("x-forwarded-proto", "https");
    let page = browser.post("/login", "username=ann&password=sample").await;
    assert!(page.header("set-cookie").unwrap().ends_with("; Secure"));
}

#[tokio::test]
async fn a_wrong_password_keeps_the_name_and_says_what_to_check() {
    let page =
        Browser::new(samples::healthy(NIGHT)).post("/login", "username=ann&password=x").await;
    assert_eq!(page.status, 401);
    assert!(page.body.contains("value=\"ann\"") && page.body.contains("Q3002"));
    assert_eq!(page.header("set-cookie"), None);
}

#[tokio::test]
async fn without_a_session_a_page_leads_to_the_login_and_back() {
    let browser = Browser::new(samples::healthy(NIGHT));
    let page = browser.get("/components/orders?a=1").await;
    let location = page.header("location");
    assert_eq!((page.status, location), (303, Some("/login?next=/components/orders%3Fa%3D1")));
    assert_eq!(browser.get_partial("/").await.status, 401);
    assert_eq!(browser.get("/events").await.status, 401);
}

#[tokio::test]
async fn an_unknown_session_leads_to_the_login() {
    let browser = Browser::new(samples::healthy(NIGHT)).with_session("forged");
    assert_eq!(browser.get("/").await.header("location"), Some("/login"));
}

#[tokio::test]
async fn a_link_from_another_site_opens_with_the_session_it_could_not_send() {
    let browser = Browser::new(samples::healthy(NIGHT))
        .sending("sec-fetch-site", "cross-site")
        .sending("sec-fetch-mode", "navigate");
    let page = browser.get(OPERATION).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains(&format!("http-equiv=\"refresh\" content=\"0; url={OPERATION}\"")));
}

#[tokio::test]
async fn the_first_login_leads_to_a_new_password_and_nowhere_else() {
    let browser = Browser::new(samples::healthy(NIGHT));
    let page = browser.post("/login", "username=fresh&password=sample").await;
    assert_eq!(page.header("location"), Some("/password"));
    let browser = browser.with_session("sample-fresh");
    assert_eq!(browser.get("/").await.header("location"), Some("/password"));
    let page = browser.get("/password").await;
    assert!(page.body.contains("Choose your password"));

    let token = page.form_token();
    let form =
        |new: &str, again: &str| format!("csrf={token}&current=sample&new={new}&again={again}");
    let short = browser.post("/password", &form("short", "short")).await;
    assert!(short.status == 400 || short.status == 403 || short.status == 422, "{}", short.status);
    assert!(short.body.contains("Q3005"));
    let differs = browser.post("/password", &form("correct-horse-1", "correct-horse-2")).await;
    assert!(differs.body.contains("two new passwords differ"));
    let done = browser.post("/password", &form("correct-horse-1", "correct-horse-1")).await;
    assert_eq!(done.header("location"), Some("/login?notice=password"));
    assert!(done.header("set-cookie").unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn a_form_without_this_sessions_token_changes_nothing() {
    let browser = Browser::logged_in(samples::restarting(NIGHT));
    let others = Browser::new(samples::restarting(NIGHT)).with_session("sample-bob");
    let foreign = others.get(OPERATION).await.form_token();
    for form in [String::new(), "csrf=".to_owned(), format!("csrf={foreign}")] {
        let page = browser.post(&format!("{OPERATION}/pause"), &form).await;
        assert_eq!(page.status, 403, "{form}");
        assert!(page.body.contains("does not belong to your session"));
    }
    assert!(browser.get(OPERATION).await.body.contains("in progress"));

    let own = browser.get(OPERATION).await.form_token();
    let page = browser.post(&format!("{OPERATION}/pause"), &format!("csrf={own}")).await;
    assert_eq!((page.status, page.header("location")), (303, Some(OPERATION)));
    assert!(browser.get(OPERATION).await.body.contains("</svg>paused</span>"));
}

#[tokio::test]
async fn a_host_at_the_door_is_let_in_with_the_key_that_was_seen_and_only_by_an_administrator() {
    let browser = Browser::logged_in(samples::growing(NIGHT));
    assert!(browser.get("/").await.body.contains("2 hosts wait at the door"));
    let page = browser.get("/nodes").await;
    let sample = samples::growing(NIGHT);
    let waiting = &sample.enrolments[0];
    assert!(page.body.contains(&waiting.fingerprint), "{}", page.body);
    let own = page.form_token();
    let path = |word: &str| format!("/enrolments/{}/{word}", waiting.id);
    let form = format!("csrf={own}&key={}", waiting.key_sha256);
    // Without this session's token, and with the key of another.
    for (form, status, said) in [
        (format!("key={}", waiting.key_sha256), 403, "does not belong to your session"),
        (format!("csrf={own}&key=00"), 412, "Q4012"),
        (format!("csrf={own}"), 412, "Q4012"),
    ] {
        let refused = browser.post(&path("approve"), &form).await;
        assert_eq!(refused.status, status, "{form}");
        assert!(refused.body.contains(said), "{form}: {}", refused.body);
    }
    assert!(browser.get("/").await.body.contains("2 hosts wait at the door"));
    let done = browser.post(&path("approve"), &form).await;
    assert_eq!((done.status, done.header("location")), (303, Some("/nodes")));
    assert!(browser.get("/nodes").await.body.contains("approved by user:ann"));
    assert!(browser.get("/").await.body.contains("1 host waits at the door"));
    let turned_away = browser.post(&path("refuse"), &format!("csrf={own}")).await;
    assert_eq!(turned_away.status, 303);
    assert!(!browser.get("/nodes").await.body.contains(&waiting.fingerprint));
    let again = browser.post(&path("refuse"), &format!("csrf={own}")).await;
    assert_eq!(again.status, 404);
    assert!(again.body.contains("role=\"alert\""), "{}", again.body);

    // Others are told that somebody waits, and not who.
    let mut sample = samples::growing(NIGHT);
    sample.role = "operator".to_owned();
    let page = Browser::logged_in(sample).get("/nodes").await;
    assert!(page.body.contains("2 hosts wait for an administrator"), "{}", page.body);
    assert!(!page.body.contains(&waiting.fingerprint));
}

#[tokio::test]
async fn a_form_that_another_site_had_sent_is_refused() {
    let own = Browser::logged_in(samples::restarting(NIGHT)).get(OPERATION).await.form_token();
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "http://evil.example")] {
        let browser = Browser::logged_in(samples::restarting(NIGHT)).sending(name, value);
        let page = browser.post(&format!("{OPERATION}/pause"), &format!("csrf={own}")).await;
        assert_eq!(page.status, 403, "{name}");
    }
    let browser =
        Browser::logged_in(samples::restarting(NIGHT)).sending("origin", "http://10.0.0.1:8080");
    let page = browser.post(&format!("{OPERATION}/pause"), &format!("csrf={own}")).await;
    assert_eq!(page.status, 303);
}

#[tokio::test]
async fn what_cannot_be_done_is_said_beside_the_operation() {
    let browser = Browser::logged_in(samples::restarting(NIGHT));
    let own = browser.get(OPERATION).await.form_token();
    let page = browser.post(&format!("{OPERATION}/resume"), &format!("csrf={own}")).await;
    assert_eq!(page.status, 409);
    assert!(page.body.contains("Q2003") && page.body.contains("component restart orders"));
}

#[tokio::test]
async fn a_plan_is_confirmed_only_as_it_was_read() {
    let browser = Browser::logged_in(samples::healthy(NIGHT));
    let page = browser.get("/components/orders/restart").await;
    let form = format!("csrf={}&plan={}", page.form_token(), page.field("plan"));
    browser.cluster.change(|sample| {
        sample.plan.as_mut().unwrap().steps.pop();
    });
    let changed = browser.post("/components/orders/restart", &form).await;
    assert_eq!(changed.status, 409);
    assert!(changed.body.contains("The plan has changed since you read it"));

    let form = format!("csrf={}&plan={}", changed.form_token(), changed.field("plan"));
    let begun = browser.post("/components/orders/restart", &form).await;
    assert_eq!(begun.status, 303);
    assert!(begun.header("location").unwrap().starts_with("/operations/"));
}

#[tokio::test]
async fn every_answer_carries_strict_headers() {
    let browser = Browser::logged_in(samples::healthy(NIGHT));
    for path in ["/", "/login", "/components/none", "/assets/console.css", "/assets/none"] {
        let page = browser.get(path).await;
        let policy = page.header("content-security-policy").unwrap();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(rule), "{path}");
        }
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(page.header("referrer-policy"), Some("same-origin"), "{path}");
    }
    assert_eq!(browser.get("/").await.header("cache-control"), Some("no-store"));
    assert_eq!(browser.get("/components/none").await.status, 404);
}

#[tokio::test]
async fn assets_are_named_by_their_content_and_kept() {
    let browser = Browser::logged_in(samples::healthy(NIGHT));
    let page = browser.get("/").await.body;
    for name in ["console.css", "console.js", "favicon.svg", "icons.svg"] {
        let (_, rest) = page.split_once(&format!("/assets/{name}?v=")).unwrap();
        let version: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
        let kept = browser.get(&format!("/assets/{name}?v={version}")).await;
        assert!(kept.header("cache-control").unwrap().contains("immutable"), "{name}");
        let other = browser.get(&format!("/assets/{name}?v=old")).await;
        assert_eq!(other.header("cache-control"), Some("no-cache"), "{name}");
        assert_eq!(kept.header("etag"), other.header("etag"), "{name}");
    }
}

#[tokio::test]
async fn until_the_cluster_is_ready_every_page_is_the_splash() {
    let browser = Browser::new(samples::starting(NIGHT));
    for path in ["/", "/login", "/components/orders", "/events"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 503, "{path}");
        assert!(page.body.contains("Cluster starting"), "{path}");
        assert!(page.body.contains("1 of 3 voters can be reached"), "{path}");
        assert!(page.body.contains("http-equiv=\"refresh\""), "{path}");
        assert_eq!(page.header("retry-after"), Some("2"), "{path}");
    }
    assert_eq!(browser.get("/assets/console.css").await.status, 200);
    browser.cluster.change(|sample| sample.readiness.ready = true);
    assert_eq!(browser.get("/login").await.status, 200);
}

#[tokio::test]
async fn an_open_page_is_told_of_a_change() {
    let browser = Browser::logged_in(samples::healthy(NIGHT));
    let answer = browser.open("/events").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    browser.cluster.change(|sample| sample.status.term += 1);
    let frame = answer.into_body().frame().await.unwrap().unwrap();
    let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
    assert_eq!(text, "event: changed\ndata: decided\n\n");
}
