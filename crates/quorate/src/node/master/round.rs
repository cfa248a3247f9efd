//! One round of a master: from opening its Raft folder until it is to stop or its storage fails.

use std::{io, sync::Arc, time::Duration};

use quorate_control::{Control, ControlOptions, Parts, follow_elections, run_duties};
use quorate_keyring::{Keyring, OsIdSource, SealedKeyring, identity::ReloadableIdentity};
use quorate_model::{NodeId, Refusal, codes};
use quorate_raft::{RaftNode, RaftOptions};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tracing::{error, info};

use super::{
    Folders, NodeConfig, Orders, Reporter, SystemClock,
    announce::{announce, new_node},
    dial, follow_master,
    leave::hand_over,
    listen::Sockets,
    out_of_service::OutOfService,
    purge::purge_if_due,
    recovery, refuse_file,
    renewal::keep_renewed,
    standing,
    surroundings::MasterSurroundings,
};
use crate::node::binary;

/// Why a master's run ended.
pub(super) enum End {
    /// It was asked to stop.
    Stopped,
    /// Its storage failed; it may be opened again.
    StorageFailed(Refusal),
}

impl End {
    /// A full disk has space again one day, and a device may answer again. Whatever else ends a
    /// storage is the same when it is opened again, so that the process has to end.
    fn of_storage(refusal: Refusal) -> Result<Self, Refusal> {
        match refusal.code {
            codes::DISK_FULL | codes::STORAGE_FAILED => Ok(Self::StorageFailed(refusal)),
            _ => Err(refusal),
        }
    }
}

/// What a round is made of.
pub(super) struct Round<'a> {
    pub(super) folders: &'a Folders,
    pub(super) config: &'a NodeConfig,
    pub(super) identity: Arc<ReloadableIdentity>,
    pub(super) keyring: Keyring,
    pub(super) sealed: SealedKeyring,
    pub(super) reporter: Reporter,
    pub(super) orders: Orders,
}

impl Round<'_> {
    /// Runs it; says why it ended. Who answered `meanwhile` does so until there is a state to serve.
    pub(super) async fn run(
        self,
        sockets: Sockets,
        meanwhile: &mut Option<OutOfService>,
        stop: watch::Receiver<bool>,
    ) -> Result<End, Refusal> {
        let current = self.identity.current();
        let (cluster, node) = (current.cluster, current.node);
        let dialer = dial::NodeDialer::new(&self.identity)?;
        let raft = match self.open_raft(node, &dialer).await {
            Ok(raft) => raft,
            Err(refusal) => {
                error!(code = %refusal.code, "{refusal}");
                return End::of_storage(refusal);
            }
        };
        if let Some(answering) = meanwhile.take() {
            answering.end().await;
        }
        let control = Control::new(Parts {
            cluster,
            node,
            raft: raft.clone(),
            keyring: self.keyring.clone(),
            sealed_keyring: self.sealed.clone(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(OsIdSource),
            catalog: quorate_packs::catalog(),
            options: ControlOptions::default(),
        });
        control.stand_in(Arc::new(MasterSurroundings {
            dialer: dialer.clone(),
            folders: self.folders.clone(),
            zone: self.config.node.zone.clone(),
            binaries: self.orders.binaries(),
        }));
        let (stop_serving, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let local = self.folders.admin_socket();
        let removed = standing::removed(control.clone(), dialer.clone());
        sockets.serve(&mut tasks, &control, dialer.clone(), &self.identity, local, &stopped)?;
        info!(%node, admin = %self.config.node.admin_addr,
            internal = %self.config.node.internal_addr, "master started");
        let mut duties = tokio::spawn(run_duties(control.clone()));
        let counting = tokio::spawn(follow_elections(control.clone()));
        let renewing = tokio::spawn(keep_renewed(
            control.clone(),
            Arc::clone(&self.identity),
            self.folders.identity(),
        ));
        let this = new_node(self.config, &self.orders.told().borrow())?;
        let announcing =
            tokio::spawn(announce(control.clone(), dialer, self.folders.node_manager(), this));
        let ordered = tokio::spawn(self.orders.clone().read_state(control.clone()));
        let ends = tokio::spawn(self.orders.clone().tell_state(control.clone()));
        let telling = tokio::spawn(follow_master(control.clone(), self.reporter.clone()));
        let ended = tokio::select! {
            ended = self.supervise(&control, stop, &mut tasks, &mut duties) => ended,
            refusal = removed => Err(refusal),
        };
        if matches!(ended, Ok(End::Stopped)) {
            let heir = hand_over(&control).await;
            self.reporter.update(|report| report.handed_over_to = heir);
        }
        control.close();
        duties.abort();
        counting.abort();
        announcing.abort();
        telling.abort();
        renewing.abort();
        ordered.abort();
        ends.abort();
        stop_serving.send_replace(true);
        let drained = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(2), drained).await.is_err() {
            // Event streams and sessions never end by themselves.
            tasks.shutdown().await;
        }
        raft.shutdown().await;
        ended
    }

    async fn open_raft(
        &self,
        node: NodeId,
        dialer: &dial::NodeDialer,
    ) -> Result<RaftNode, Refusal> {
        purge_if_due(self.folders, &self.orders, &self.keyring, node)?;
        let cluster = self.keyring.cluster();
        let own = recovery::load_epoch(self.folders)?;
        let mut options = RaftOptions::new(cluster, own.epoch, node, self.folders.raft());
        options.written_off = own.written_off;
        options.reads_level = binary::reads_level();
        let section = &self.config.master;
        options.heartbeat_ms = section.heartbeat_ms.unwrap_or(options.heartbeat_ms);
        options.election_min_ms = section.election_min_ms.unwrap_or(options.election_min_ms);
        options.election_max_ms = section.election_max_ms.unwrap_or(options.election_max_ms);
        options.snapshot_after_entries =
            section.snapshot_after_entries.unwrap_or(options.snapshot_after_entries);
        let authorizer = Arc::new(dial::CertificateAuthorizer::new(cluster));
        let (raft, report) =
            RaftNode::open(options, self.keyring.clone(), Arc::new(dialer.clone()), authorizer)
                .await
                .map_err(|error| error.refusal())?;
        info!(%node, entries = report.entries, took_ms = report.took.as_millis(), "state opened");
        Ok(raft)
    }

    /// Waits until the master is to end, and says why.
    async fn supervise(
        &self,
        control: &Control,
        mut stop: watch::Receiver<bool>,
        tasks: &mut JoinSet<io::Result<()>>,
        duties: &mut JoinHandle<()>,
    ) -> Result<End, Refusal> {
        let mut failure = control.raft().storage_failure();
        let mut superseded = control.raft().superseded();
        let timeout = Duration::from_millis(self.config.master.readiness_timeout_ms);
        let deadline = tokio::time::sleep(timeout);
        tokio::pin!(deadline);
        let mut waiting_for_readiness = true;
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return Ok(End::Stopped),
                failed = failure.wait_for(Option::is_some) => {
                    return match failed.as_deref() {
                        Ok(Some(refusal)) => End::of_storage(refusal.clone()),
                        _ => Ok(End::Stopped),
                    };
                }
                news = superseded.wait_for(Option::is_some) => {
                    let news = news.ok().and_then(|news| *news);
                    return match news {
                        Some(news) => Err(recovery::stay_stopped(self.folders, news)),
                        None => Ok(End::Stopped),
                    };
                }
                () = control.readiness().opened(), if waiting_for_readiness => {
                    waiting_for_readiness = false;
                }
                () = &mut deadline, if waiting_for_readiness => {
                    return Err(not_ready_in_time(control, timeout));
                }
                ended = &mut *duties => {
                    // A master that leads without its duties would look well and do nothing.
                    let cause = ended.err().map_or_else(String::new, |error| error.to_string());
                    return Err(Refusal::new(codes::INTERNAL, "this master's duties have ended")
                        .cause(cause)
                        .hint("start it again; the other masters go on meanwhile"));
                }
                Some(ended) = tasks.join_next() => {
                    let cause = match ended {
                        Ok(Ok(())) => "a listener ended".to_owned(),
                        Ok(Err(error)) => error.to_string(),
                        Err(error) => error.to_string(),
                    };
                    return Err(refuse_file("serve", &self.folders.run, &io::Error::other(cause)));
                }
            }
        }
    }
}

fn not_ready_in_time(control: &Control, timeout: Duration) -> Refusal {
    let live = control.readiness().live();
    let cause = live
        .unmet
        .iter()
        .map(|missing| format!("{}: {}", missing.name, missing.unmet))
        .collect::<Vec<_>>()
        .join("; ");
    Refusal::new(
        codes::READINESS_TIMEOUT,
        format!("the cluster did not become ready within {} s", timeout.as_secs()),
    )
    .cause(cause)
    .hint("start enough masters for a majority, then start this one again")
}
