//! The audit trail: derived from the log by `apply`, hash-chained, identical on every master.

use std::sync::Arc;

use imbl::Vector;
use quorate_model::{LogIndex, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Outcome, Proposal};

/// How many entries the state keeps; older ones are forgotten, their hash stays in the chain.
const KEPT: usize = 10_000;

/// One change, or one refused attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The log index of the command.
    pub index: LogIndex,
    /// When it was proposed.
    pub at: Timestamp,
    /// Who asked.
    pub principal: Arc<str>,
    /// What, such as `setting.put`.
    pub action: Arc<str>,
    /// To what.
    pub target: Arc<str>,
    /// The code of the refusal; `None` when it was applied.
    #[serde(default)]
    pub refused: Option<quorate_model::Code>,
    /// SHA-256 over the previous entry's hash and this entry.
    #[serde(with = "serde_bytes")]
    pub hash: [u8; 32],
}

/// The chain is broken at an entry: something was changed, removed or inserted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit chain is broken at log index {index}")]
pub struct BrokenChain {
    /// The entry that does not fit its predecessor.
    pub index: LogIndex,
}

/// The kept entries and the hash of the last forgotten one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditTrail {
    /// The hash before the first kept entry.
    #[serde(with = "serde_bytes")]
    pub base: [u8; 32],
    /// The kept entries, oldest first.
    pub entries: Vector<AuditEntry>,
}

impl AuditTrail {
    pub(crate) fn record(&mut self, index: LogIndex, proposal: &Proposal, outcome: &Outcome) {
        let (action, target) = proposal.command.audit_words();
        self.push(AuditEntry {
            index,
            at: proposal.at,
            principal: proposal.principal.as_str().into(),
            action: action.into(),
            target: target.into(),
            refused: outcome.as_ref().err().map(|refusal| refusal.code),
            hash: [0; 32],
        });
    }

    /// Records what a command did besides being applied.
    pub(crate) fn note(
        &mut self,
        index: LogIndex,
        at: Timestamp,
        principal: &str,
        action: &str,
        target: String,
    ) {
        self.push(AuditEntry {
            index,
            at,
            principal: principal.into(),
            action: action.into(),
            target: target.into(),
            refused: None,
            hash: [0; 32],
        });
    }

    /// Forgets every entry; the hash of the last one stays in the chain, so that whoever kept the
    /// trail elsewhere can show that this one goes on from it.
    pub(crate) fn begin_anew(&mut self) {
        self.base = self.entries.last().map_or(self.base, |entry| entry.hash);
        self.entries = Vector::new();
    }

    fn push(&mut self, mut entry: AuditEntry) {
        let previous = self.entries.last().map_or(self.base, |entry| entry.hash);
        entry.hash = chained(&previous, &entry);
        self.entries.push_back(entry);
        if self.entries.len() > KEPT
            && let Some(forgotten) = self.entries.pop_front()
        {
            self.base = forgotten.hash;
        }
    }

    /// Walks the chain.
    ///
    /// # Errors
    /// The first entry whose hash does not follow from its predecessor.
    pub fn verify(&self) -> Result<(), BrokenChain> {
        let mut previous = self.base;
        for entry in &self.entries {
            if chained(&previous, entry) != entry.hash {
                return Err(BrokenChain { index: entry.index });
            }
            previous = entry.hash;
        }
        Ok(())
    }
}

/// Every field is length-prefixed, so that no two different entries hash the same bytes.
fn chained(previous: &[u8; 32], entry: &AuditEntry) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(entry.index.0.to_be_bytes());
    hasher.update(entry.at.0.to_be_bytes());
    for text in [&entry.principal, &entry.action, &entry.target] {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.update(entry.refused.map_or(0, |code| code.0).to_be_bytes());
    hasher.finalize().into()
}
