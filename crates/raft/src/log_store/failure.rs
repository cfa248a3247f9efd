//! The node's storage failure, if any: once failed, a store accepts nothing until it is reopened.

use std::{io, path::Path};

use quorate_model::{Refusal, codes};
use tokio::sync::watch;

use crate::error::is_disk_full;

/// Shared by everything that writes; the first failure stays.
#[derive(Clone, Debug)]
pub(crate) struct Failure(watch::Sender<Option<Refusal>>);

impl Failure {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Refusal>> {
        self.0.subscribe()
    }

    pub(crate) fn current(&self) -> Option<Refusal> {
        self.0.borrow().clone()
    }

    pub(crate) fn report(&self, refusal: Refusal) {
        self.0.send_if_modified(|current| {
            if current.is_some() {
                return false;
            }
            tracing::error!(code = %refusal.code, "{refusal}");
            *current = Some(refusal);
            true
        });
    }

    pub(crate) fn report_io(&self, action: &str, path: &Path, error: &io::Error) {
        let refusal = if is_disk_full(error) {
            Refusal::new(
                codes::DISK_FULL,
                format!("the disk that holds {} is full", path.display()),
            )
            .hint("free space; the node goes on by itself, and nothing acknowledged is lost")
        } else {
            Refusal::new(codes::STORAGE_FAILED, format!("cannot {action} {}", path.display())).hint(
                "look at the host's disk and kernel log; the node tries to reopen its storage",
            )
        };
        self.report(refusal.cause(error.to_string()));
    }
}
