//! Reports and plans as files that people carry from host to host.

use std::path::Path;

use quorate_model::{Refusal, codes};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    node::refuse_file,
    ui::{Failure, Ui},
};

/// Reads a document; `what` names its kind and `made_by` the command that makes it.
pub(super) fn read<T: DeserializeOwned>(
    path: &Path,
    what: &str,
    made_by: &str,
) -> Result<T, Failure> {
    let bytes = std::fs::read(path).map_err(|error| refuse_file("read", path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Refusal::new(codes::REQUEST_MALFORMED, format!("{} is no {what}", path.display()))
            .cause(error.to_string())
            .hint(format!("copy the whole file that `quorate {made_by} --out FILE` wrote"))
            .into()
    })
}

/// Writes a document into `out`, and shows it in words; without `out` it is shown alone, whole for
/// programs and in words for people.
pub(super) fn give<T: Serialize>(
    ui: &Ui,
    document: &T,
    out: Option<&Path>,
    words: impl FnOnce() -> String,
) -> Result<(), Failure> {
    if let Some(path) = out {
        let mut json = serde_json::to_vec_pretty(document)
            .map_err(|error| Refusal::new(codes::INTERNAL, error.to_string()))?;
        json.push(b'\n');
        quorate_keyring::atomic_write(path, &json, 0o600).map_err(|error| Refusal::from(&error))?;
    }
    ui.show(document, |_| words())?;
    match out {
        Some(path) => ui.note(&format!("written to {}", path.display())),
        None => ui.note("nothing was written: keep it with --out FILE"),
    }
    Ok(())
}
