//! Lets a test kill the leading master exactly at a step boundary, and wait less for what never
//! happens. Active in debug builds only.
//!
//! `QUORATE_FAILPOINT` is one or more `BOUNDARY:STEP:FILE`, joined by commas, such as
//! `begun:3:/tmp/x/once`. The process that first creates FILE kills itself with SIGKILL there;
//! every later pass, of this or another master, goes on. That makes "kill the leader at every
//! boundary in turn" exact instead of a race.
//!
//! `QUORATE_STEP_DEADLINE_MS` is the longest that any step may take.

use std::time::Duration;

/// Where a leader can die.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Boundary {
    /// After the begin was committed, before acting.
    Begun,
    /// After acting, before the end is proposed.
    Acted,
    /// After the end was committed.
    Finished,
}

impl Boundary {
    #[cfg(debug_assertions)]
    const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Acted => "acted",
            Self::Finished => "finished",
        }
    }
}

#[cfg(debug_assertions)]
pub(crate) fn reach(boundary: Boundary, step: usize) {
    let Ok(wanted) = std::env::var("QUORATE_FAILPOINT") else { return };
    let file = wanted.split(',').find_map(|one| {
        let mut parts = one.splitn(3, ':');
        let here = parts.next() == Some(boundary.as_str())
            && parts.next().and_then(|number| number.parse().ok()) == Some(step);
        parts.next().filter(|_| here)
    });
    let Some(file) = file else { return };
    if std::fs::OpenOptions::new().write(true).create_new(true).open(file).is_ok() {
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // The signal is on its way; nothing may be done after this point.
        loop {
            std::thread::park();
        }
    }
}

#[cfg(not(debug_assertions))]
pub(crate) const fn reach(_boundary: Boundary, _step: usize) {}

/// How long a step may take: what its plan says, unless a test is less patient.
#[cfg(debug_assertions)]
pub(crate) fn step_deadline(planned_ms: u64) -> Duration {
    let most = std::env::var("QUORATE_STEP_DEADLINE_MS").ok().and_then(|ms| ms.parse().ok());
    Duration::from_millis(most.map_or(planned_ms, |most| planned_ms.min(most)))
}

/// How long a step may take.
#[cfg(not(debug_assertions))]
pub(crate) const fn step_deadline(planned_ms: u64) -> Duration {
    Duration::from_millis(planned_ms)
}
