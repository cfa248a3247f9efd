//! A rolling restart under a writer: every member in turn is asked to stop and started again, the
//! leader last.

use std::time::Duration;

use serde::Serialize;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    error::{BenchError, WriteError},
    failover::{await_leader, run_writer},
    statistics::longest_gap,
    systems::System,
};

/// How long a member may take to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// The writer works so long before the first stop and after the last start.
const AROUND: Duration = Duration::from_secs(1);
/// How long the writer's task may take to end.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// One restart of all members.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rolled {
    /// From the first stop until the last member acknowledged a write again.
    pub(crate) took: Duration,
    /// The longest time without an acknowledged write of a client that knows all members.
    pub(crate) pause: Duration,
}

/// Who restarts the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum By {
    /// This program: SIGTERM and a start, one member after the other.
    Signals,
    /// The cluster itself, by an operation of its own.
    Operation,
}

impl By {
    /// In a word or two, for a table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Signals => "signals",
            Self::Operation => "its operation",
        }
    }
}

/// Restarts all members, one after the other; `None` when the system cannot do it in this way.
pub(crate) async fn restart(system: &mut dyn System, by: By) -> Result<Option<Rolled>, BenchError> {
    let name = system.kind().name();
    let leader = await_leader(system).await?;
    let members = 0..system.members().len();
    let endpoints = members.clone().map(|member| system.endpoint(member)).collect();
    let begin = Instant::now();
    let (stop, stopped) = watch::channel(false);
    let (told, _seen) = watch::channel(Duration::ZERO);
    let writer = tokio::spawn(run_writer(endpoints, begin, told, stopped));
    sleep(AROUND).await;
    let first_stop = begin.elapsed();
    let done = match by {
        By::Signals => {
            let order = members.filter(|member| *member != leader).chain([leader]);
            Some(restart_in(order, system).await)
        }
        By::Operation => system.restart_itself().await,
    };
    let took = begin.elapsed().saturating_sub(first_stop);
    if let Some(Ok(())) = done {
        sleep(AROUND).await;
    }
    stop.send_replace(true);
    let failure = |source| BenchError::Client { system: name, source };
    let times = timeout(LAST_WRITE, writer)
        .await
        .map_err(|_| failure(WriteError("the writer does not end".to_owned())))?
        .map_err(|error| failure(WriteError::of(error)))?;
    done.map(|done| done.map(|()| Rolled { took, pause: longest_gap(&times, first_stop) }))
        .transpose()
}

async fn restart_in(
    order: impl Iterator<Item = usize>,
    system: &mut dyn System,
) -> Result<(), BenchError> {
    let name = system.kind().name();
    for member in order {
        system.members_mut().ask_to_end(member);
        system.members_mut().await_end(member, name, PATIENCE).await?;
        system.restart(member).await?;
    }
    Ok(())
}
