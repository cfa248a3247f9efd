//! Lets a test kill `recover apply` exactly between two of its steps.
//!
//! Active in debug builds only, and only when `QUORATE_RECOVER_FAILPOINT` names a step: the process
//! kills itself with SIGKILL there.

#[cfg(debug_assertions)]
pub(super) fn reach(step: usize) {
    let Ok(wanted) = std::env::var("QUORATE_RECOVER_FAILPOINT") else { return };
    if wanted.parse() == Ok(step) {
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // The signal is on its way; nothing may be done after this point.
        loop {
            std::thread::park();
        }
    }
}

#[cfg(not(debug_assertions))]
pub(super) const fn reach(_step: usize) {}
