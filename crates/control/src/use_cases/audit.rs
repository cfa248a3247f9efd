//! The audit trail.

use quorate_api::rest::AuditView;
use quorate_model::Refusal;
use quorate_state::AuditEntry;

use super::access::hex;
use crate::{Control, Permission, Principal};

/// The newest entries, newest first.
///
/// # Errors
/// When the principal may not see them.
pub fn list(
    control: &Control,
    principal: &Principal,
    at_most: usize,
) -> Result<Vec<AuditView>, Refusal> {
    principal.require(Permission::Administer)?;
    Ok(control.state().audit.entries.iter().rev().take(at_most).map(view).collect())
}

fn view(entry: &AuditEntry) -> AuditView {
    AuditView {
        index: entry.index.0,
        at: entry.at.to_string(),
        principal: entry.principal.clone(),
        action: entry.action.clone(),
        target: entry.target.clone(),
        refused: entry.refused.map(|code| code.to_string()),
        hash: hex(&entry.hash),
    }
}
