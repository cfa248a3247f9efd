//! The audit trail.

use quorate_api::rest::AuditView;
use quorate_model::{Refusal, hex};
use quorate_state::AuditEntry;

use crate::{Control, Permission, Principal};

/// What the engine does on its own for every step of an operation; the operation's transcript
/// tells the same, in better words.
const STEPS: &str = "operation.step.";

/// The newest entries, newest first; those of operations' single steps only on request.
///
/// # Errors
/// When the principal may not see them.
pub fn list(
    control: &Control,
    principal: &Principal,
    at_most: usize,
    steps: bool,
) -> Result<Vec<AuditView>, Refusal> {
    principal.require(Permission::Administer)?;
    let state = control.state();
    let wanted = |entry: &&AuditEntry| steps || !entry.action.starts_with(STEPS);
    Ok(state.audit.entries.iter().rev().filter(wanted).take(at_most).map(view).collect())
}

fn view(entry: &AuditEntry) -> AuditView {
    AuditView {
        index: entry.index.0,
        at: entry.at.to_string(),
        principal: entry.principal.to_string(),
        action: entry.action.to_string(),
        target: entry.target.to_string(),
        refused: entry.refused.map(|code| code.to_string()),
        hash: hex(&entry.hash),
    }
}
