//! Logging in, and join tokens.

use std::os::unix::fs::PermissionsExt;

use quorate_model::codes;
use serde_json::{Value, json};

use crate::{fake::Fake, run::World};

fn session(token: &str, must_change: bool) -> Value {
    json!({"accessToken": token, "expiresAt": "2026-01-02T03:04:05Z",
        "mustChangePassword": must_change})
}

#[tokio::test]
async fn a_login_changes_the_password_when_it_must_and_is_kept_for_its_owner() {
    let fake = Fake::default()
        .on("POST auth/login", 200, session("t1", true))
        .on("POST auth/login", 200, session("t2", false))
        .on("POST auth/password", 204, json!(""))
        .on("GET auth/me", 200, json!({"username": "admin", "role": "admin"}))
        .on("POST auth/logout", 204, json!(""));
    let world = World::new();
    let server = fake.start().await;
    let login = ["--server", &server, "login", "--username", "admin", "--password-stdin"];
    let ran = world.quorate_reading(&login, "old\nnew and longer\n").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    let asked = fake.asked();
    assert_eq!(asked[1].token.as_deref(), Some("Bearer t1"));
    assert_eq!(asked[1].body, r#"{"current":"old","new":"new and longer"}"#);
    assert_eq!(asked[2].body, r#"{"username":"admin","password":"new and longer"}"#);
    let saved = world.path().join("config/quorate/credentials.json");
    assert_eq!(std::fs::metadata(&saved).unwrap().permissions().mode() & 0o777, 0o600);

    let me = world.quorate(&["--server", &server, "whoami"]).await;
    assert_eq!(me.stdout, "admin (admin)\n");
    assert_eq!(fake.asked().last().unwrap().token.as_deref(), Some("Bearer t2"));
    assert_eq!(world.quorate(&["--server", &server, "logout"]).await.code, 0);
    let me = world.quorate(&["--server", &server, "whoami"]).await;
    assert_eq!(me.code, 1);
    assert!(me.stderr.contains(&format!("quorate login --server {server}")), "{}", me.stderr);
}

#[tokio::test]
async fn a_wrong_password_is_not_kept() {
    let fake = Fake::default().refuses("POST auth/login", codes::LOGIN_FAILED, "wrong");
    let world = World::new();
    let server = fake.start().await;
    let login = ["--server", &server, "login", "--username", "admin", "--password-stdin"];
    assert_eq!(world.quorate_reading(&login, "guess\n").await.code, 1);
    assert!(!world.path().join("config").exists());
    assert_eq!(world.quorate(&["login"]).await.code, 2);
    assert_eq!(world.quorate(&["--server", &server, "login"]).await.code, 2);
}

#[tokio::test]
async fn a_token_is_alone_on_stdout() {
    let created = json!({"id": "01T", "token": "qjt1-secret", "expiresAt": "soon"});
    let fake = Fake::default().on("POST tokens", 201, created);
    let world = World::with(&fake);
    let args = ["token", "create", "--role", "node-manager", "--ttl", "1h30m"];
    let ran = world.quorate(&args).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "qjt1-secret\n"));
    let on_the_host = "on the new host, until soon: quorate join TOKEN\n";
    let waits = "it waits there until you approve: quorate enrolment approve\n";
    assert_eq!(ran.stderr, format!("{on_the_host}{waits}"));
    let body =
        |auto: bool| format!(r#"{{"role":"node-manager","ttlMs":5400000,"autoApprove":{auto}}}"#);
    assert_eq!(fake.asked()[0].body, body(false));
    let unattended = world.quorate(&[&args[..], &["--auto-approve"]].concat()).await;
    assert_eq!(unattended.stderr, on_the_host);
    assert_eq!(fake.asked()[1].body, body(true));
    let quiet = [&args[..], &["--quiet"]].concat();
    assert_eq!(world.quorate(&quiet).await.stderr, "");
}

#[tokio::test]
async fn a_login_says_where_it_tries_and_what_is_wrong_with_the_url() {
    let (world, fake) = (World::new(), Fake::default());
    let server = fake.start().await;
    let login = |server: String| {
        let world = &world;
        async move {
            let args = ["--server", &server, "login", "--username", "admin", "--password-stdin"];
            world.quorate_reading(&args, "guess\n").await
        }
    };
    let tls = login(server.replace("http://", "https://")).await;
    assert_eq!(tls.code, 1, "{tls:?}");
    assert!(tls.stderr.starts_with("logging in at https://127.0.0.1:"), "{}", tls.stderr);
    assert!(tls.stderr.contains("speaks no TLS"), "{}", tls.stderr);

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let dead = login(nowhere.clone()).await;
    assert_eq!(dead.code, 1, "{dead:?}");
    assert!(dead.stderr.contains("trying again for up to 5 s: connecting to"), "{}", dead.stderr);
    assert!(dead.stderr.contains(&format!("no master answers at {nowhere}")), "{}", dead.stderr);
}
