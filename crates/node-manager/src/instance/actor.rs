//! The actor of one instance: it compares order and process, and does one thing after another
//! until they agree.

use std::{path::PathBuf, pin::pin, sync::Arc, time::Duration};

use quorate_model::{
    DesiredInstance, InstanceName, ProcessEnd, ProcessState, Refusal, RunState, UnmanagedInstance,
    codes,
};
use quorate_pack::RenderedInstance;
use quorate_supervisor::{Attachment, Running, StopSignal};
use tokio::{sync::watch, time::Instant};
use tracing::{info, warn};

use super::{
    Host,
    backoff::StartBackoff,
    certificates,
    decision::{Decision, StartReason, StopReason, decide, is_stranger},
    observed::process_of,
    prepare::{StartTrouble, launch_spec, render, signal_of, write_out},
    prober::Prober,
    starts::Starts,
};
use crate::{board::RunKey, disk::blocking, link::Link};

/// How often a running instance's files and certificates are looked after.
const MAINTAIN_EVERY: Duration = Duration::from_secs(60);
/// How long to wait when the host does not let us look, or stop.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// How a process is stopped whose order cannot be rendered any more.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// Keeps one instance as ordered. Dropping it leaves the process as it is.
pub(crate) struct Actor {
    host: Arc<Host>,
    instance: InstanceName,
    folder: PathBuf,
    orders: watch::Receiver<Option<DesiredInstance>>,
    /// The newest order.
    last: DesiredInstance,
    link: Link,
    /// Tells the prober which process to ask.
    running: watch::Sender<Option<RunKey>>,
    starts: Starts,
    backoff: StartBackoff,
    /// Since when the process that runs is known to run.
    running_since: Option<Instant>,
    /// Why the last start did not succeed, or a restart was not begun.
    failure: Option<StartTrouble>,
    /// The order whose files and certificates are in place, and since when.
    maintained: Option<(DesiredInstance, Instant)>,
}

impl Actor {
    /// An actor that follows `orders`; `None` means that the instance is none of ours any more,
    /// and `last` says what it was.
    pub(crate) fn new(
        host: Arc<Host>,
        instance: InstanceName,
        folder: PathBuf,
        orders: watch::Receiver<Option<DesiredInstance>>,
        last: DesiredInstance,
    ) -> Self {
        Self {
            link: host.link.clone(),
            host,
            starts: Starts::open(&folder),
            instance,
            folder,
            orders,
            last,
            running: watch::Sender::new(None),
            backoff: StartBackoff::new(),
            running_since: None,
            failure: None,
            maintained: None,
        }
    }

    /// Keeps the instance, and probes it, until nobody can order anything any more.
    pub(crate) async fn run(self) {
        let prober = Prober {
            host: Arc::clone(&self.host),
            instance: self.instance.clone(),
            folder: self.folder.clone(),
            orders: self.orders.clone(),
            running: self.running.subscribe(),
        };
        tokio::join!(self.keep(), prober.run());
    }

    async fn keep(mut self) {
        while self.orders.has_changed().is_ok() {
            let order = self.orders.borrow_and_update().clone();
            let Some(desired) = order else {
                self.let_go().await;
                continue;
            };
            self.last.clone_from(&desired);
            self.host.board.set_unmanaged(&self.instance, None);
            match self.host.supervisor.attach(&self.instance).await {
                Ok(Attachment::Running(running))
                    if is_stranger(desired.first_generation, &running) =>
                {
                    self.leave_alone(&desired, &running).await;
                }
                Ok(attachment) => {
                    self.take_note(&attachment);
                    // After the note: an order that comes with a crash is carried out at once.
                    self.backoff.order(desired.generation);
                    self.publish(&desired, &attachment);
                    self.act(&desired, &attachment).await;
                }
                Err(error) => {
                    warn!(instance = %self.instance, %error, "cannot look at the instance");
                    self.running.send_replace(None);
                    let process = ProcessState::Failed { refusal: error.refusal() };
                    self.host.board.set_process(&desired, process, self.starts.history());
                    self.wait_for(TROUBLE_PAUSE).await;
                }
            }
        }
    }

    /// Leaves the instance alone until it is ordered again.
    async fn let_go(&mut self) {
        self.running.send_replace(None);
        self.running_since = None;
        self.failure = None;
        self.maintained = None;
        self.backoff = StartBackoff::new();
        self.host.board.remove(&self.instance);
        let ports = self.ports();
        loop {
            let left = match self.host.supervisor.attach(&self.instance).await {
                Ok(Attachment::Running(running)) => Some(UnmanagedInstance {
                    component: self.last.component.name.clone(),
                    instance: self.instance.clone(),
                    pid: running.pid,
                    ports: ports.clone(),
                }),
                Ok(_) => None,
                // What is not known is not said to be gone.
                Err(_) => {
                    if tokio::time::timeout(TROUBLE_PAUSE, self.orders.changed()).await.is_ok() {
                        return;
                    }
                    continue;
                }
            };
            let runs = left.is_some();
            self.host.board.set_unmanaged(&self.instance, left);
            if !runs {
                // An error ends the loop.
                let _ = self.orders.changed().await;
                return;
            }
            let ended = self.host.supervisor.watch(&self.instance);
            tokio::select! {
                _ = self.orders.changed() => return,
                status = ended => if status.is_err() {
                    tokio::time::sleep(TROUBLE_PAUSE).await;
                },
                () = tokio::time::sleep(MAINTAIN_EVERY) => {}
            }
        }
    }

    /// The ports that the last order has the instance listen on.
    fn ports(&self) -> Vec<u16> {
        render(&self.host.catalog, &self.last, self.folder.clone())
            .map_or_else(|_| Vec::new(), |rendered| rendered.ports)
    }

    /// Says what is wrong, and waits until it may be otherwise.
    async fn leave_alone(&mut self, desired: &DesiredInstance, found: &Running) {
        let refusal = Refusal::new(
            codes::INSTANCE_LEFT_RUNNING,
            format!("an earlier `{}` still runs here, unmanaged", self.instance),
        )
        .cause(format!("process {} was started for an instance that is gone", found.pid))
        .hint(format!("stop it on its host (kill {}); then this one goes on", found.pid));
        warn!(instance = %self.instance, %refusal, "what runs under this name is left alone");
        self.running.send_replace(None);
        let process = ProcessState::Failed { refusal };
        self.host.board.set_process(desired, process, self.starts.history());
        let ended = self.host.supervisor.watch(&self.instance);
        tokio::select! {
            _ = self.orders.changed() => {}
            status = ended => if status.is_err() {
                self.wait_for(TROUBLE_PAUSE).await;
            },
        }
    }

    /// Learns from what was found: how often it was started, and that it ended by itself.
    fn take_note(&mut self, attachment: &Attachment) {
        let now = Instant::now();
        if let Attachment::Running(running) = attachment {
            self.starts.note(running);
            self.running_since.get_or_insert(now);
            return;
        }
        if let Attachment::Exited { status, at, .. } = attachment {
            self.starts.note_end(&ProcessEnd { status: status.clone(), at: *at });
        }
        if let Some(since) = self.running_since.take() {
            warn!(instance = %self.instance, ?attachment, "the process ended by itself");
            self.backoff.ended(now - since, now);
        }
    }

    fn publish(&self, desired: &DesiredInstance, attachment: &Attachment) {
        let failure = self.failure.as_ref().filter(|_| desired.run == RunState::Running);
        let process = process_of(&self.instance, attachment, failure.map(|it| &it.refusal));
        self.host.board.set_process(desired, process.clone(), self.starts.history());
        // After the board, so that an answer of the new process finds it there.
        let run = RunKey::of(&process);
        self.running.send_if_modified(|running| std::mem::replace(running, run) != run);
    }

    async fn act(&mut self, desired: &DesiredInstance, attachment: &Attachment) {
        match decide(desired.run, desired.start_generation, attachment) {
            Decision::Rest => {
                self.failure = None;
                let _ = self.orders.changed().await;
            }
            Decision::Watch => self.watch(desired).await,
            Decision::Stop(reason) => self.stop(desired, reason).await,
            Decision::Start(reason) => self.start(desired, reason, attachment).await,
        }
    }

    /// Waits for the end of the process or a new order, and looks after files and certificates.
    async fn watch(&mut self, desired: &DesiredInstance) {
        let now = Instant::now();
        let fresh = self.maintained.as_ref().is_some_and(|(kept, at)| {
            kept == desired && now.saturating_duration_since(*at) < MAINTAIN_EVERY
        });
        if !fresh {
            // What runs is not touched by a failure to look after it.
            let ended = self.host.supervisor.watch(&self.instance);
            match self.prepare(desired, async move { drop(ended.await) }).await {
                Some(Ok(_)) => {}
                Some(Err(trouble)) => {
                    let refusal = trouble.refusal;
                    warn!(instance = %self.instance, %refusal, "cannot look after the instance");
                    self.maintained = Some((desired.clone(), Instant::now()));
                }
                None => return,
            }
        }
        let watched = self.host.supervisor.watch(&self.instance);
        tokio::select! {
            status = watched => if let Err(error) = status {
                warn!(instance = %self.instance, %error, "cannot watch the instance");
                self.wait_for(TROUBLE_PAUSE).await;
            },
            _ = self.orders.changed() => {}
            () = tokio::time::sleep(MAINTAIN_EVERY) => {}
        }
    }

    async fn stop(&mut self, desired: &DesiredInstance, reason: StopReason) {
        if reason == StopReason::Restart && !self.can_start_again(desired).await {
            return;
        }
        let (signal, grace) = match render(&self.host.catalog, desired, self.folder.clone()) {
            Ok(rendered) => {
                (signal_of(rendered.stop_signal), Duration::from_millis(rendered.stop_grace_ms))
            }
            Err(_) => (StopSignal::Term, DEFAULT_GRACE),
        };
        info!(
            instance = %self.instance, generation = %desired.generation, ?reason,
            "the instance is stopped"
        );
        match self.host.supervisor.stop(&self.instance, signal, grace).await {
            // It did not end by itself.
            Ok(_) => self.running_since = None,
            Err(error) => {
                warn!(instance = %self.instance, %error, "the instance cannot be stopped");
                self.wait_for(TROUBLE_PAUSE).await;
            }
        }
    }

    /// Prepares the start that a restart ends with, before anything is stopped: what cannot be
    /// started again is better left running.
    async fn can_start_again(&mut self, desired: &DesiredInstance) -> bool {
        if let Some(at) = self.backoff.not_before(Instant::now()) {
            self.wait_until(at).await;
            return false;
        }
        let ended = self.host.supervisor.watch(&self.instance);
        match self.prepare(desired, async move { drop(ended.await) }).await {
            Some(Ok(_)) => true,
            Some(Err(trouble)) => {
                let refusal = &trouble.refusal;
                warn!(
                    instance = %self.instance, %refusal,
                    "the instance is not restarted, as it could not be started again"
                );
                self.note_failure(trouble);
                false
            }
            None => false,
        }
    }

    async fn start(&mut self, desired: &DesiredInstance, reason: StartReason, found: &Attachment) {
        if let Some(at) = self.backoff.not_before(Instant::now()) {
            self.wait_until(at).await;
            return;
        }
        let rendered = match self.prepare(desired, std::future::pending()).await {
            Some(Ok(rendered)) => rendered,
            Some(Err(trouble)) => return self.note_failure(trouble),
            // A new order came: it may say that the instance shall not run.
            None => return,
        };
        info!(
            instance = %self.instance, generation = %desired.generation,
            start_generation = %desired.start_generation, ?reason, ?found, "the instance is started"
        );
        match self.host.supervisor.start(&launch_spec(desired, rendered)).await {
            Ok(running) => {
                self.starts.note(&running);
                self.failure = None;
                self.running_since = Some(Instant::now());
            }
            Err(error) => {
                warn!(instance = %self.instance, %error, "the instance cannot be started");
                self.note_failure(error.refusal().into());
            }
        }
    }

    fn note_failure(&mut self, trouble: StartTrouble) {
        self.failure = Some(trouble);
        self.backoff.failed(Instant::now());
    }

    /// Puts folders, files and certificates in place. `None` when `interrupt`ed, or when a new
    /// order came meanwhile.
    async fn prepare(
        &mut self,
        desired: &DesiredInstance,
        interrupt: impl Future<Output = ()>,
    ) -> Option<Result<RenderedInstance, StartTrouble>> {
        let rendered = match render(&self.host.catalog, desired, self.folder.clone()) {
            Ok(rendered) => rendered,
            Err(refusal) => return Some(Err(refusal.into())),
        };
        let written = rendered.clone();
        if let Some(Err(refusal)) = blocking(move || write_out(&written)).await {
            return Some(Err(refusal.into()));
        }
        let mut interrupt = pin!(interrupt);
        for request in &rendered.certificates {
            let link = self.link.borrow_and_update().clone();
            let now = self.host.clock.now();
            let ensured = tokio::select! {
                ensured = certificates::ensure(&self.instance, request, link, now) => ensured,
                _ = self.orders.changed() => {
                    // It has not been looked at.
                    self.orders.mark_changed();
                    return None;
                }
                () = &mut interrupt => return None,
            };
            if let Err(error) = ensured {
                return Some(Err(StartTrouble {
                    refusal: error.refusal(&self.instance),
                    waits_for_leader: error.waits_for_leader(),
                }));
            }
        }
        self.maintained = Some((desired.clone(), Instant::now()));
        Some(Ok(rendered))
    }

    /// Waits for the moment, a new order, or a leader if that is what is missing.
    async fn wait_until(&mut self, at: Instant) {
        let for_leader = self.failure.as_ref().is_some_and(|trouble| trouble.waits_for_leader);
        let link = &mut self.link;
        let leader_found = async {
            loop {
                if link.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                if link.borrow().is_some() {
                    return;
                }
            }
        };
        tokio::select! {
            () = tokio::time::sleep_until(at) => {}
            _ = self.orders.changed() => {}
            () = leader_found, if for_leader => self.backoff.hurry(),
        }
    }

    async fn wait_for(&mut self, pause: Duration) {
        self.wait_until(Instant::now() + pause).await;
    }
}
