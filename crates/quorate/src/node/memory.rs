//! Keeps this process's memory, which holds the root key and private keys, from everybody else.
//!
//! A process that is not dumpable leaves no core dump, to no file and to no program that collects
//! them, and its memory and environment below `/proc` are for root alone: not for an instance that
//! runs as the same user. A program that takes its place or is started by it begins dumpable anew,
//! so instances keep their own core dumps as their limits allow.

use rustix::process::{
    DumpableBehavior, Resource, dumpable_behavior, getrlimit, set_dumpable_behavior,
};

/// To be called first of all, before there is any key. That it worked is seen by [`core_bytes`],
/// which the doctor judges.
pub(crate) fn keep_private() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// How large a core dump of this process may become, in bytes.
pub(super) fn core_bytes() -> u64 {
    match dumpable_behavior() {
        Ok(DumpableBehavior::NotDumpable) => 0,
        _ => getrlimit(Resource::Core).current.unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt, process::Command};

    use super::*;

    #[test]
    fn this_process_leaves_no_core_dump_and_what_it_starts_does_as_before() {
        let folder = tempfile::tempdir().unwrap();
        // As large as this host allows, and aborted.
        let aborted = || {
            let mut shell = Command::new("sh");
            shell.args(["-c", "ulimit -S -c $(ulimit -H -c); kill -ABRT $$"]);
            let status = shell.current_dir(folder.path()).status().unwrap();
            assert_eq!(status.signal(), Some(6), "{status}");
            status.core_dumped()
        };
        let before = aborted();
        keep_private();
        assert_eq!(core_bytes(), 0);
        assert_eq!(aborted(), before);
    }
}
