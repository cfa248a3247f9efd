//! Server-sent events: what changed, as it changes.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension,
    extract::State as Shared,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::Stream;
use quorate_api::rest::ChangeEvent;
use quorate_control::{Control, use_cases::events};

use crate::rest::{
    context::{Caller, LocalRoot, Token},
    failure::Failure,
};

/// Follows what changes: `operation` with a summary, `component` with a name, `state` with the
/// applied index, and `observed` when node managers saw something new.
#[utoipa::path(get, path = "/admin/api/events", tag = "events",
    responses((status = 200, body = String, content_type = "text/event-stream")))]
pub(crate) async fn stream(
    Shared(control): Shared<Control>,
    Caller(principal): Caller,
    local: Option<Extension<LocalRoot>>,
    token: Option<Token>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    // The local root has no session that could end.
    let token = token.map(|Token(token)| token).filter(|_| local.is_none());
    let receiver = events::follow(&control, &principal, token)?;
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|change| (Ok(event(&change)), receiver))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(10))))
}

fn event(change: &ChangeEvent) -> Event {
    let named = Event::default().event(change.name());
    // These types can always be written; an event without data would not be delivered.
    let data = serde_json::to_string(change).unwrap_or_else(|_| "{}".to_owned());
    named.data(data)
}
