//! Events arrive typed, and the end of the stream is seen.

use axum::{http::header, response::IntoResponse};
use quorate_client::{ClientError, Event};

use crate::fake::Fake;

const STREAM: &str = concat!(
    "event: operation\n",
    r#"data: {"id":"O1","title":"component restart orders","status":"running","finishedSteps":1,"#,
    r#""steps":9,"requestedBy":"admin","requestedAt":"t","endedAt":null}"#,
    "\n\n: alive\n\n",
    "event: component\ndata: {\"name\":\"orders\"}\n\n",
    "event: state\ndata: {\"appliedIndex\":42}\n\n",
    "event: observed\ndata: {}\n\n",
    "event: later\ndata: {}\n\n",
);

#[tokio::test]
async fn events_are_typed_and_unknown_ones_are_named() {
    let fake = Fake::default()
        .answers(|| ([(header::CONTENT_TYPE, "text/event-stream")], STREAM).into_response());
    let mut events = fake.client().await.events().await.unwrap();
    let Some(Event::Operation(operation)) = events.next().await.unwrap() else { panic!() };
    assert_eq!((operation.id.as_str(), operation.steps), ("O1", 9));
    let rest = [
        Event::Component { name: "orders".to_owned() },
        Event::State { applied_index: 42 },
        Event::Observed,
        Event::Other { name: "later".to_owned() },
    ];
    for expected in rest {
        assert_eq!(events.next().await.unwrap(), Some(expected));
    }
    assert_eq!(events.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_broken_stream_says_so() {
    let client = Fake::default().breaks().client().await;
    // Whether the head of the answer travels before the break is a matter of buffers.
    let error = match client.events().await {
        Ok(mut events) => events.next().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error:?}");
}
