//! Errors keep the words of the master; what is no master is recognised.

use std::time::Duration;

use axum::{http::StatusCode, response::IntoResponse};
use quorate_api::rest::{ChangePassword, Login};
use quorate_client::{Client, ClientError, Endpoint, Mismatch};
use quorate_model::codes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::fake::Fake;

#[tokio::test]
async fn the_words_of_the_master_are_kept() {
    let fake = Fake::default().refuses(codes::NOT_FOUND);
    let error = fake.client().await.component("orders").await.unwrap_err();
    let ClientError::Api { status: 404, body } = error.clone() else { panic!("{error:?}") };
    assert_eq!((body.code, body.request_id.as_str()), (codes::NOT_FOUND, "REQ1"));
    assert_eq!(error.into_body(), *body);
}

#[tokio::test]
async fn an_answer_of_something_else_is_recognised() {
    let fake = Fake::default()
        .answers(|| (StatusCode::BAD_GATEWAY, "<html>").into_response())
        .says("<html>");
    let client = fake.client().await;
    for _ in 0..2 {
        let error = client.status().await.unwrap_err();
        assert!(matches!(error, ClientError::Foreign { .. }), "{error:?}");
        assert!(!error.is_transient());
        assert!(error.into_body().hint.is_some());
    }
}

#[tokio::test]
async fn a_url_of_the_wrong_kind_is_told_at_once_with_the_right_one() {
    let fake = Fake::default().refuses(codes::NOT_FOUND);
    let plain = fake.start().await.to_string();
    let tls: Endpoint = plain.replace("http://", "https://").parse().unwrap();
    let error = Client::new(tls).unwrap().delete_setting("a", None).await.unwrap_err();
    let ClientError::WrongProtocol { mismatch: Mismatch::NoTls, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(error.into_body().hint.unwrap().contains("http:// instead of https://"));

    // A port that wants TLS answers the first bytes of plain HTTP with an alert, and closes.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(&[0x15, 3, 3, 0, 2, 2, 70]).await.unwrap();
        }
    });
    let client = Client::new(format!("http://{addr}").parse().unwrap()).unwrap();
    let error = client.delete_setting("a", None).await.unwrap_err();
    let ClientError::WrongProtocol { mismatch: Mismatch::NoHttp, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(!error.is_transient());
    assert_eq!(error.code(), codes::MASTER_UNREACHABLE);
    assert!(error.into_body().hint.unwrap().contains("admin port"));
}

#[tokio::test]
async fn a_change_whose_answer_was_garbled_on_its_way_is_of_unknown_outcome() {
    // A proxy that garbles the answers to changes: whether they were made it does not tell.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            let answer: &[u8] = if request[..length].starts_with(b"GET") {
                b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            } else {
                b"?\0\r\n\r\n"
            };
            stream.write_all(answer).await.unwrap();
        }
    });
    let client = Client::new(format!("http://{addr}").parse().unwrap()).unwrap();
    let client = client.with_retry_for(Duration::from_millis(300));
    let error = client.delete_setting("a", None).await.unwrap_err();
    assert_eq!(error.code(), codes::OUTCOME_UNKNOWN, "{error:?}");
}

#[tokio::test]
async fn a_read_that_is_not_answered_has_changed_nothing_and_does_not_sound_so() {
    let fake = Fake::default().breaks().breaks();
    let client = fake.client().await;
    let error = client.status().await.unwrap_err();
    assert!(matches!(error, ClientError::Silent { .. }), "{error:?}");
    assert!(error.is_transient());
    let body = error.into_body();
    assert_eq!(body.code, codes::MASTER_UNREACHABLE);
    assert!(!body.message.contains("change"), "{}", body.message);
    // A change whose answer was lost still does.
    let client = client.with_retry_for(Duration::from_millis(10));
    let error = client.delete_setting("a", None).await.unwrap_err();
    assert_eq!(error.code(), codes::OUTCOME_UNKNOWN, "{error:?}");
}

#[tokio::test]
async fn not_ready_is_an_answer_to_readyz_and_an_error_to_all_else() {
    let unmet = r#"{"ready":false,"unmet":[{"name":"leader","unmet":"no leader yet"}]}"#;
    let fake = Fake::default()
        .answers(move || (StatusCode::SERVICE_UNAVAILABLE, unmet).into_response())
        .refuses(codes::NOT_READY);
    let client = fake.client().await;
    let readiness = client.readyz().await.unwrap();
    assert_eq!(readiness.unmet[0].name, "leader");
    let error = client.status().await.unwrap_err();
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_changed_password_is_not_sent_twice() {
    let fake = Fake::default().refuses(codes::OUTCOME_UNKNOWN);
    let change = ChangePassword { current: "a".to_owned(), new: "b".to_owned() };
    let error = fake.client().await.change_password(&change).await.unwrap_err();
    assert_eq!(error.code(), codes::OUTCOME_UNKNOWN);
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn a_login_gives_the_token_that_the_next_calls_carry() {
    let fake = Fake::default()
        .says(r#"{"accessToken":"t1","expiresAt":"x","mustChangePassword":false}"#)
        .says(r#"{"username":"admin","role":"admin"}"#);
    let client = fake.client().await;
    let login = Login { username: "admin".to_owned(), password: "admin".to_owned() };
    let answer = client.login(&login).await.unwrap();
    let me = client.with_token(answer.access_token).who_am_i().await.unwrap();
    assert_eq!(me.username, "admin");
    let asked = fake.asked();
    assert_eq!(asked[0].line, "POST /admin/api/auth/login");
    assert_eq!(asked[0].token, None);
    assert_eq!(asked[1].token.as_deref(), Some("Bearer t1"));
}
