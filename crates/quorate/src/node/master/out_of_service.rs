//! What a master answers while its storage has failed: that it does not serve, and why.

use std::{io, path::PathBuf, time::Duration};

use quorate_model::Refusal;
use quorate_server::{out_of_service_router, serve_admin, serve_local};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

/// How long answers that were begun may take to end.
const DRAIN: Duration = Duration::from_millis(500);

/// Answers on the admin port and on the local socket until it is ended.
pub(super) struct OutOfService {
    why: watch::Sender<Refusal>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<io::Result<()>>,
}

impl OutOfService {
    pub(super) fn begin(admin: TcpListener, local: PathBuf, why: Refusal) -> Self {
        let (why, refusal) = watch::channel(why);
        let (stop, stopped) = watch::channel(false);
        let until = move || {
            let mut stopped = stopped.clone();
            async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            }
        };
        let router = out_of_service_router(refusal);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_admin(admin, router.clone(), until()));
        tasks.spawn(serve_local(local, router, until()));
        Self { why, stop, tasks }
    }

    /// From now on this is the reason.
    pub(super) fn say(&self, why: Refusal) {
        self.why.send_replace(why);
    }

    /// Ends what is being answered, so that somebody else can answer on the same port.
    pub(super) async fn end(mut self) {
        self.stop.send_replace(true);
        let drained = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}
