//! What is said of our own bugs.

use std::panic::{self, AssertUnwindSafe, catch_unwind};

use quorate_api::exit;
use quorate_model::{Refusal, codes};

use crate::ui::{Failure, Paint};

/// Lets a panic say what it is: a bug, with its place, and where its page is.
pub(crate) fn install_hook() {
    panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let said = payload
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no reason was given".to_owned());
        let place = info.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
        let version = env!("CARGO_PKG_VERSION");
        let refusal = Refusal::new(codes::INTERNAL, format!("this is a bug in Quorate {version}"))
            .cause(format!("{said}{}", place.unwrap_or_default()))
            .hint("please report these lines; what runs under Quorate runs on");
        // A daemon's stderr is read by nobody.
        tracing::error!(code = %refusal.code, cause = refusal.cause, "{refusal}");
        let text = Failure::from(refusal).render(Paint { enabled: false });
        // Panicking while panicking ends the process, so a closed stderr is passed over.
        let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), text.as_bytes());
    }));
}

/// Runs a command to its exit code; a panic has been told by the hook and exits as a bug.
pub(crate) fn caught(command: impl FnOnce() -> u8) -> u8 {
    catch_unwind(AssertUnwindSafe(command)).unwrap_or(exit::BUG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_exits_as_a_bug() {
        assert_eq!(caught(|| exit::REFUSED), exit::REFUSED);
        assert_eq!(caught(|| panic!("as a test")), exit::BUG);
    }
}
