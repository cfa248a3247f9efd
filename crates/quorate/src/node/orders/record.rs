//! `orders.json`: the newest order that was obeyed, and what became of it.

use quorate_keyring::atomic_write;
use quorate_model::{Generation, OrderReport, Refusal, codes};
use serde::{Deserialize, Serialize};

use crate::node::{Folders, os::refuse_file};

/// The version of the record.
pub(super) const VERSION: u32 = 1;

/// `orders.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) version: u32,
    pub(super) obeyed: Generation,
    #[serde(default)]
    pub(super) report: Option<OrderReport>,
}

impl Record {
    pub(super) fn load(folders: &Folders) -> Result<Self, Refusal> {
        let file = folders.orders_file();
        match std::fs::read(&file) {
            Ok(bytes) => {
                let record: Self = serde_json::from_slice(&bytes).map_err(|error| {
                    refuse_file("read", &file, &std::io::Error::other(error.to_string()))
                })?;
                if record.version > VERSION {
                    return Err(Refusal::new(
                        codes::FORMAT_TOO_NEW,
                        format!("{} is of a newer version", file.display()),
                    ));
                }
                Ok(record)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { version: VERSION, obeyed: Generation(0), report: None })
            }
            Err(error) => Err(refuse_file("read", &file, &error)),
        }
    }

    pub(super) fn store(&self, folders: &Folders) -> Result<(), Refusal> {
        let bytes = serde_json::to_vec(self)
            .map_err(|error| Refusal::new(codes::INTERNAL, error.to_string()))?;
        atomic_write(&folders.orders_file(), &bytes, 0o600).map_err(|error| Refusal::from(&error))
    }

    pub(super) fn of(report: OrderReport) -> Self {
        Self { version: VERSION, obeyed: report.generation, report: Some(report) }
    }
}
