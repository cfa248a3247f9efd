//! A change is applied once, whatever dies under it.

use std::{sync::Arc, sync::atomic::AtomicUsize, sync::atomic::Ordering, time::Duration};

use quorate_api::rest::ResetBody;
use quorate_client::{Client, ClientError, Consistency, Endpoint};
use quorate_model::codes;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fake::{Fake, nobody};

const WRITTEN: &str = r#"{"key":"a/b","revision":7}"#;
const SETTING: &str = r#"{"key":"a/b","value":1,"revision":7}"#;

#[tokio::test]
async fn a_change_is_repeated_with_the_same_key_until_it_is_answered() {
    let fake = Fake::default()
        .refuses(codes::NO_LEADER)
        .refuses(codes::NOT_READY)
        .refuses(codes::OUTCOME_UNKNOWN)
        .breaks()
        .says(WRITTEN);
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    let client = fake.client().await.with_on_retry(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let written = client.set_setting("a/b", json!(1), None).await.unwrap();
    assert_eq!(written.revision, 7);
    let asked = fake.asked();
    assert_eq!(asked.len(), 5);
    assert!(asked[0].key.is_some());
    assert!(asked.iter().all(|one| one == &asked[0]), "{asked:#?}");
    assert_eq!(told.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn two_changes_have_two_keys_and_reads_have_none() {
    let fake = Fake::default().says(WRITTEN).says(WRITTEN).says(SETTING);
    let client = fake.client().await;
    client.set_setting("a/b", json!(1), None).await.unwrap();
    client.set_setting("a/b", json!(1), None).await.unwrap();
    client.setting("a/b", Consistency::Linearizable).await.unwrap();
    let asked = fake.asked();
    assert_ne!(asked[0].key, asked[1].key);
    assert_eq!(asked[2].key, None);
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_cannot_be_reached() {
    let fake = Fake::default().says(SETTING).says(WRITTEN);
    let servers = [nobody().await, fake.start().await];
    let client = Client::of_all(&servers).unwrap();
    let view = client.setting("a/b", Consistency::Stale).await.unwrap();
    assert_eq!(view.revision, 7);
    client.set_setting("a/b", json!(1), Some(3)).await.unwrap();
    assert_eq!(fake.asked()[0].line, "GET /admin/api/settings/a/b?consistency=stale");
    assert_eq!(fake.asked()[1].if_match.as_deref(), Some("3"));
}

#[tokio::test]
async fn another_master_is_asked_when_one_has_no_leader() {
    let without = Fake::default().refuses(codes::NO_LEADER);
    let with = Fake::default().says(SETTING);
    let client = Client::of_all(&[without.start().await, with.start().await]).unwrap();
    client.setting("a/b", Consistency::Linearizable).await.unwrap();
    assert_eq!((without.asked().len(), with.asked().len()), (1, 1));
}

#[tokio::test]
async fn another_master_is_asked_when_one_was_removed() {
    let removed = || Fake::default().refuses(codes::NODE_REMOVED);
    let (first, second) = (removed(), Fake::default().says(SETTING).says(WRITTEN));
    let client = Client::of_all(&[first.start().await, second.start().await]).unwrap();
    client.setting("a/b", Consistency::Stale).await.unwrap();
    client.set_setting("a/b", json!(1), None).await.unwrap();
    // The only one says so itself, at once.
    let error = removed().client().await.delete_setting("a", None).await.unwrap_err();
    assert_eq!(error.code(), codes::NODE_REMOVED);
}

#[tokio::test]
async fn a_read_fails_at_once_and_names_all_servers() {
    let (first, second) = (nobody().await, nobody().await);
    let names = format!("{first}, {second}");
    let error = Client::of_all(&[first, second]).unwrap().status().await.unwrap_err();
    let ClientError::Unreachable { what, reason } = &error else { panic!("{error:?}") };
    assert_eq!(what, &names);
    assert!(reason.contains("refused"), "{reason}");
    assert_eq!(error.code(), codes::MASTER_UNREACHABLE);
}

#[tokio::test]
async fn a_change_gives_up_at_its_deadline() {
    let client = Client::new(nobody().await).unwrap().with_retry_for(Duration::from_millis(120));
    let error = client.delete_setting("a", None).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_change_that_may_have_been_made_is_never_reported_as_not_made() {
    let fake = Fake::default().refuses(codes::OUTCOME_UNKNOWN);
    let client = Client::of_all(&[nobody().await, fake.start().await])
        .unwrap()
        .with_retry_for(Duration::from_millis(40));
    let error = client.delete_setting("a", None).await.unwrap_err();
    assert_eq!(error.code(), codes::OUTCOME_UNKNOWN);
}

#[tokio::test]
async fn a_change_that_was_never_made_is_not_called_of_unknown_outcome() {
    let took = Duration::from_millis(1200);
    let fake = Fake::default().takes(took).refuses(codes::NO_LEADER).refuses(codes::NO_LEADER);
    let client = fake.client().await.with_retry_for(took + Duration::from_millis(400));
    let error = client.delete_setting("a", None).await.unwrap_err();
    assert_eq!(error.code(), codes::NO_LEADER);
    // Nor when there is less time than a master takes to say so.
    let fake = Fake::default().takes(took).refuses(codes::NO_LEADER);
    let client = fake.client().await.with_retry_for(Duration::from_millis(50));
    let error = client.delete_setting("a", None).await.unwrap_err();
    assert_eq!(error.code(), codes::NO_LEADER);
}

#[tokio::test]
async fn a_refused_change_is_not_repeated() {
    let fake = Fake::default().refuses(codes::QUORUM_WOULD_BE_LOST).says(WRITTEN);
    let error = fake.client().await.delete_setting("a", None).await.unwrap_err();
    assert_eq!(error.code(), codes::QUORUM_WOULD_BE_LOST);
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn a_reset_whose_answer_was_lost_is_in_doubt_whatever_its_repetition_is_told() {
    let how = ResetBody { confirm: "01234567".to_owned(), one_time_password: "x".to_owned() };
    let lost = Fake::default().breaks().refuses(codes::RESET_NOT_CONFIRMED);
    let error = lost.client().await.reset(&how).await.unwrap_err();
    assert_eq!((error.code(), lost.asked().len()), (codes::OUTCOME_UNKNOWN, 2), "{error}");
    let refused = Fake::default().refuses(codes::RESET_NOT_CONFIRMED);
    let error = refused.client().await.reset(&how).await.unwrap_err();
    assert_eq!((error.code(), refused.asked().len()), (codes::RESET_NOT_CONFIRMED, 1), "{error}");
}

#[tokio::test]
async fn another_server_is_asked_when_one_speaks_another_protocol() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut asked = [0; 16];
            let _ = socket.read(&mut asked).await;
            // A TLS alert.
            let _ = socket.write_all(&[21, 3, 3, 0, 2, 2, 80]).await;
        }
    });
    let fake = Fake::default().says(SETTING);
    let other = Endpoint::parse_list(&format!("http://127.0.0.1:{port}")).unwrap().remove(0);
    let client = Client::of_all(&[other, fake.start().await]).unwrap();
    let view = client.setting("a/b", Consistency::Stale).await.unwrap();
    assert_eq!((view.revision, fake.asked().len()), (7, 1));
}
