//! `quorate shim FILE`: the small process that stands between a node manager and an instance.

use std::{ffi::OsStr, path::Path, process::ExitCode};

use super::{SystemClock, priority};

/// Runs the shim when this process was started as one. It must come before anything else in
/// `main`: a shim has an empty environment, no log and no runtime of ours, and stays small.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next().as_deref() != Some(OsStr::new("shim")) {
        return None;
    }
    let spec = args.next()?;
    priority::lower_to_ordinary();
    Some(quorate_supervisor::shim::run(Path::new(&spec), &SystemClock))
}
