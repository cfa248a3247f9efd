//! What people are told while they wait: one line to stderr.
#![expect(clippy::print_stderr, reason = "the results are on stdout; this is for whoever waits")]

/// Tells how far the run is.
pub(crate) fn progress(text: &str) {
    eprintln!("bench: {text}");
}
