//! The settings space: a small linearizable key-value store.

use std::sync::Arc;

use quorate_model::{Refusal, Revision, SettingKey, codes};

use super::{Context, not_found};
use crate::{Applied, Outcome, Setting, State};

pub(super) fn put(
    state: &mut State,
    context: &Context<'_>,
    key: &SettingKey,
    value: &Arc<str>,
    expect: Option<Revision>,
) -> Outcome {
    check_revision(state, key, expect)?;
    let revision = context.revision();
    state.metadata.settings.insert(key.clone(), Setting { value: Arc::clone(value), revision });
    Ok(Applied::Revision(revision))
}

pub(super) fn delete(state: &mut State, key: &SettingKey, expect: Option<Revision>) -> Outcome {
    check_revision(state, key, expect)?;
    match state.metadata.settings.remove(key) {
        Some(setting) => Ok(Applied::Revision(setting.revision)),
        None => Err(not_found(format!("setting `{key}`"))),
    }
}

/// A missing key has revision 0.
fn check_revision(
    state: &State,
    key: &SettingKey,
    expect: Option<Revision>,
) -> Result<(), Refusal> {
    let current = state.metadata.settings.get(key).map_or(Revision(0), |setting| setting.revision);
    match expect {
        Some(expected) if expected != current => Err(Refusal::new(
            codes::REVISION_MISMATCH,
            format!("setting `{key}` has revision {current}, not {expected}"),
        )
        .hint("read it again and decide on the value it has now")),
        _ => Ok(()),
    }
}
