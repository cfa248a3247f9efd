//! `quorate start`: starts this host's node in the background and waits until it is ready.

use std::time::{Duration, Instant};

use quorate_api::exit;
use quorate_keyring::identity::NodeIdentity;
use quorate_model::Refusal;

use super::{DaemonView, running, spawned::Spawned};
use crate::{
    logging,
    node::{
        FolderArgs, Folders, NodeConfig,
        init::{no_node_yet, root_key},
        pid_file,
        report::{Phase, ProcessReport},
        run::{ListenArgs, configuration},
    },
    ui::{Outcome, Ui, duration},
};

/// Start this host's node in the background
///
/// A master needs the root key in QUORATE_ROOT_KEY. Waits until the node is ready, or says what it
/// waits for; it goes on waiting by itself then, a master for `readiness_timeout_ms` of its
/// configuration (2 minutes), and the exit code is 5. A node that runs already is left alone. Under systemd use its unit instead: systemctl start quorate.
#[derive(Debug, clap::Args)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    pub(crate) folders: FolderArgs,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    /// How long to wait before exiting with 5; the node goes on
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
}

/// How often the node's process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(30);
/// A process that has said nothing of itself by then is waited for no longer.
const SILENCE: Duration = Duration::from_secs(10);
/// Waiting that is over sooner is not worth a word.
const WORTH_A_WORD: Duration = Duration::from_secs(1);

/// Refuses what `run` would refuse at once, before anything is stopped or started.
pub(super) fn refuse_what_cannot_start(
    args: &StartArgs,
    folders: &Folders,
) -> Result<NodeConfig, Refusal> {
    let config = configuration(&args.listen, folders)?;
    if !NodeIdentity::exists(&folders.identity()) {
        return Err(no_node_yet(folders));
    }
    if config.node.role.is_master() {
        root_key()?;
    }
    Ok(config)
}

/// Starts the node unless it runs, and shows how far it came.
pub(super) async fn run(args: &StartArgs, folders: &Folders, ui: &Ui) -> Outcome {
    if let Some((pid_file, identity)) = running(folders, ui)? {
        let report = ProcessReport::load(folders).filter(|report| report.pid == identity.pid);
        let view = DaemonView {
            state: "already running",
            pid: Some(identity.pid),
            waiting_for: report.as_ref().map(waiting_for).unwrap_or_default(),
            handed_over_to: None,
            pid_file,
            log: logging::file(&folders.log),
        };
        ui.show(&view, |_| format!("it runs already, as process {}\n", identity.pid))?;
        return Ok(exit::DONE);
    }
    let config = refuse_what_cannot_start(args, folders)?;
    let mut spawned = Spawned::new(args, folders)?;
    let begun = Instant::now();
    let mut told = String::new();
    let report = loop {
        if let Some(failure) = spawned.ended() {
            return Err(failure);
        }
        let report = ProcessReport::load(folders).filter(|report| report.pid == spawned.pid());
        let waited = begun.elapsed();
        if waited > WORTH_A_WORD && told.is_empty() {
            told = "a word of its process".to_owned();
            let patience = duration::short(args.timeout);
            ui.note(&format!(
                "process {} is starting; waiting up to {patience} until it is ready",
                spawned.pid()
            ));
        }
        match &report {
            Some(report) if report.phase == Phase::Ready => break Some(report.clone()),
            Some(report) if waited >= args.timeout => break Some(report.clone()),
            Some(report)
                if waited > WORTH_A_WORD
                    && !report.missing().is_empty()
                    && report.missing() != told =>
            {
                told = report.missing();
                ui.note(&format!("process {} waits for {told}", spawned.pid()));
            }
            None if waited >= args.timeout.max(SILENCE) => break None,
            _ => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let ready = report.as_ref().is_some_and(|report| report.phase == Phase::Ready);
    let view = DaemonView {
        state: if ready { "ready" } else { "waiting" },
        pid: Some(spawned.pid()),
        waiting_for: report.as_ref().map(waiting_for).unwrap_or_default(),
        handed_over_to: None,
        pid_file: folders.run.join(pid_file::name(&config)),
        log: logging::file(&folders.log),
    };
    let name = &config.node.name;
    ui.show(&view, |_| told_in_words(&view, name.as_str()))?;
    Ok(if ready { exit::DONE } else { exit::STILL_RUNNING })
}

fn told_in_words(view: &DaemonView, name: &str) -> String {
    let pid = view.pid.unwrap_or_default();
    let how = if view.state == "ready" {
        "it is ready".to_owned()
    } else {
        format!("it waits for {}", view.waiting_for.join("; "))
    };
    format!("{name} runs as process {pid}: {how}\n  log {}\n", view.log.display())
}

fn waiting_for(report: &ProcessReport) -> Vec<String> {
    report.unmet.iter().map(|it| format!("{}: {}", it.name, it.unmet)).collect()
}
