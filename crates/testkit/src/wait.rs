//! Waiting for conditions with deadlines, never for a time.

use std::time::Duration;

use tokio::time::Instant;

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits until `look` gives something.
///
/// # Panics
/// When that has not happened by the deadline.
pub async fn eventually_some<T, F: Future<Output = Option<T>>>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {within:?} for {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until `look` is true.
///
/// # Panics
/// When that has not happened by the deadline.
pub async fn eventually<F: Future<Output = bool>>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> F,
) {
    eventually_some(what, within, || {
        let seen = look();
        async move { seen.await.then_some(()) }
    })
    .await;
}
