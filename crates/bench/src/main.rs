//! Measures Quorate, Debian's etcd and Debian's ZooKeeper side by side, in one run.

mod arguments;
mod error;
mod failover;
mod fleet;
mod footprint;
mod join;
mod load;
mod machine;
mod process;
mod progress;
mod render;
mod report;
mod rolling;
mod run;
mod statistics;
mod systems;
mod usage;
mod workload;

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    arguments::{Arguments, Output},
    error::BenchError,
    progress::progress,
    report::Report,
};

/// One thread: the generator shares the cores with the servers, and handing tasks from thread to
/// thread costs more than it gains at these rates.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = tokio::select! {
        result = run::run(&arguments) => result,
        error = interrupted() => Err(error),
    };
    match result.and_then(|report| deliver(&report, &arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Ends on Ctrl-C and SIGTERM, so that the processes and folders of the run are cleared away.
async fn interrupted() -> BenchError {
    let failure = |source| BenchError::Start { program: "signal handlers".to_owned(), source };
    let signals = signal(SignalKind::interrupt()).and_then(|interrupt| {
        signal(SignalKind::terminate()).map(|terminate| (interrupt, terminate))
    });
    let (mut interrupt, mut terminate) = match signals {
        Ok(signals) => signals,
        Err(source) => return failure(source),
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    BenchError::Interrupted
}

fn deliver(report: &Report, arguments: &Arguments) -> Result<(), BenchError> {
    let text = match arguments.output {
        Output::Table => render::terminal(report),
        Output::Json => {
            serde_json::to_string_pretty(report).map(|text| text + "\n").map_err(|error| {
                BenchError::Command {
                    program: "writing JSON".to_owned(),
                    detail: error.to_string(),
                }
            })?
        }
    };
    let stdout = |source| BenchError::File { action: "write to", path: "stdout".into(), source };
    io::stdout().lock().write_all(text.as_bytes()).map_err(stdout)?;
    if arguments.write {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/benchmarks.md");
        let before = fs::read_to_string(&path).unwrap_or_default();
        let page = render::page(report, render::notes_of(&before));
        fs::write(&path, page).map_err(|source| BenchError::File {
            action: "write",
            path: path.clone(),
            source,
        })?;
        progress("wrote docs/benchmarks.md");
    }
    Ok(())
}
