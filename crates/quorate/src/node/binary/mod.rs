//! The binary this process runs, and those it may go on as.
//!
//! `store` keeps binaries by their digests, `look` asks one what it is, `fetch` takes one from a
//! master, `record` says which one a start goes on as and which attempt is under way, `trial` sees
//! an attempt through, `guard` starts a daemon again that crashed in one (docs/adr/0010).

mod fetch;
mod guard;
mod look;
#[cfg(debug_assertions)]
mod pretence;
mod record;
mod store;
mod trial;

use quorate_model::{BinaryFacts, FeatureLevels};

pub(super) use fetch::{Staging, stage};
pub(super) use guard::{Guarded, post as post_guard, stand_by};
pub(super) use record::{attempted, begin_attempt, installed};
pub(super) use store::Binaries;
pub(crate) use store::digest_of;
pub(super) use trial::{Trial, follow};

/// The oldest feature level this binary reads: every state there ever was.
const OLDEST_LEVEL: u32 = 1;

/// This binary's version.
pub(crate) fn version() -> &'static str {
    #[cfg(debug_assertions)]
    if let Some(version) = pretence::get().version.as_deref() {
        return version;
    }
    env!("CARGO_PKG_VERSION")
}

/// The newest feature level this binary reads.
pub(crate) fn reads_level() -> u32 {
    #[cfg(debug_assertions)]
    if let Some(level) = pretence::get().level {
        return level;
    }
    quorate_state::FEATURE_LEVEL
}

/// What this binary says of itself.
pub(crate) fn facts() -> BinaryFacts {
    let to = reads_level();
    BinaryFacts {
        version: version().to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        feature_levels: FeatureLevels { from: OLDEST_LEVEL.min(to), to },
    }
}

/// Whether a test has this binary crash at its start.
pub(super) fn crashes() -> bool {
    behaves("crash")
}

/// Whether a test has this binary do nothing at all.
pub(super) fn hangs() -> bool {
    behaves("hang")
}

/// Whether a test has this binary never become ready.
pub(super) fn never_ready() -> bool {
    behaves("never-ready")
}

#[cfg(debug_assertions)]
fn behaves(how: &str) -> bool {
    pretence::get().behaviour.as_deref() == Some(how)
}

#[cfg(not(debug_assertions))]
const fn behaves(_how: &str) -> bool {
    false
}
