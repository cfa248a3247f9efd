//! `GET /events`: tells an open page that it is out of date, never how.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, sleep_until};

use crate::{Change, UseCases, session};

/// The least time between two events when something was decided.
const DECIDED_EVERY: Duration = Duration::from_millis(350);
/// The least time between two events when something was only observed: reports of healthy nodes
/// come every second and change little.
const OBSERVED_EVERY: Duration = Duration::from_secs(1);
/// The most time between two events: silence changes what a page says, and nothing announces it.
const TICK: Duration = Duration::from_secs(2);
/// How often a comment keeps proxies from closing the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Answers `GET /events`, for people who are logged in.
pub(crate) async fn serve<U: UseCases>(State(use_cases): State<U>, headers: HeaderMap) -> Response {
    let Some(token) = session::token(&headers) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    if use_cases.authenticate(&token).await.is_err() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let changes = paced(use_cases.changes());
    // The stream ends with the session, so that a logged-out page stops being told anything.
    let events =
        stream::unfold((changes, use_cases, token), |(mut changes, use_cases, token)| async move {
            let change = changes.next().await?;
            use_cases.authenticate(&token).await.ok()?;
            Some((Ok::<_, Infallible>(event(change)), (changes, use_cases, token)))
        });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

fn event(change: Change) -> Event {
    // An event without data is not delivered.
    Event::default().event("changed").data(match change {
        Change::Decided => "decided",
        Change::Observed => "observed",
    })
}

/// Folds changes together so that a page is told of them a few times a second at most.
fn paced(
    changes: impl Stream<Item = Change> + Send + Unpin + 'static,
) -> impl Stream<Item = Change> + Send + Unpin + 'static {
    let begin = (changes, Instant::now());
    Box::pin(stream::unfold(begin, |(mut changes, last)| async move {
        let mut pending: Option<Change> = None;
        loop {
            let due = last
                + match pending {
                    Some(Change::Decided) => DECIDED_EVERY,
                    Some(Change::Observed) => OBSERVED_EVERY,
                    None => TICK,
                };
            tokio::select! {
                change = changes.next() => pending = pending.max(Some(change?)),
                () = sleep_until(due) => {
                    let change = pending.unwrap_or(Change::Observed);
                    return Some((change, (changes, Instant::now())));
                }
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_storm_of_changes_becomes_a_few_events_a_second() {
        let storm = stream::repeat(Change::Decided).then(|change| async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            change
        });
        let begun = Instant::now();
        let events: Vec<_> = paced(Box::pin(storm)).take(3).collect().await;
        assert_eq!(events, [Change::Decided; 3]);
        assert!(begun.elapsed() >= 3 * DECIDED_EVERY, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn silence_is_an_event_too() {
        let events: Vec<_> = paced(stream::pending()).take(1).collect().await;
        assert_eq!(events, [Change::Observed]);
    }

    #[tokio::test]
    async fn the_end_of_the_changes_ends_the_events() {
        let events: Vec<_> = paced(stream::iter([Change::Observed])).collect().await;
        assert_eq!(events, []);
    }
}
