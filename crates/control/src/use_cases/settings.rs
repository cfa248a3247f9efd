//! The settings space.

use std::sync::Arc;

use quorate_api::rest::{SettingView, SettingWritten};
use quorate_model::{Refusal, RequestId, Revision, SettingKey, codes};
use quorate_state::{Applied, Command, Setting, State};

use crate::{Control, Permission, Principal};

/// The longest value, in bytes of compact JSON.
const LONGEST_VALUE: usize = 64 * 1024;

/// How new an answer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistency {
    /// At least as new as every change that was answered before the question.
    #[default]
    Linearizable,
    /// What the master at hand knows.
    Stale,
}

async fn read(control: &Control, consistency: Consistency) -> Result<Arc<State>, Refusal> {
    match consistency {
        Consistency::Linearizable => control.linearized().await,
        Consistency::Stale => Ok(control.state()),
    }
}

/// One setting.
///
/// # Errors
/// When the key does not exist, or no quorum answers a linearizable read.
pub async fn get(
    control: &Control,
    principal: &Principal,
    key: &str,
    consistency: Consistency,
) -> Result<SettingView, Refusal> {
    principal.require(Permission::Read)?;
    let key = parse_key(key)?;
    let state = read(control, consistency).await?;
    match state.metadata.settings.get(&key) {
        Some(setting) => view(&key, setting),
        None => Err(Refusal::new(codes::NOT_FOUND, format!("there is no setting `{key}`"))),
    }
}

/// All settings whose keys begin with `prefix`, in order.
///
/// # Errors
/// When no quorum answers a linearizable read.
pub async fn list(
    control: &Control,
    principal: &Principal,
    prefix: &str,
    consistency: Consistency,
) -> Result<Vec<SettingView>, Refusal> {
    principal.require(Permission::Read)?;
    let state = read(control, consistency).await?;
    state
        .metadata
        .settings
        .iter()
        .filter(|(key, _)| key.as_str().starts_with(prefix))
        .map(|(key, setting)| view(key, setting))
        .collect()
}

/// Sets a setting.
///
/// # Errors
/// When the key or the value is malformed, or the revision differs from `expect`.
pub async fn put(
    control: &Control,
    principal: &Principal,
    key: &str,
    value: &serde_json::Value,
    expect: Option<Revision>,
    request_id: Option<RequestId>,
) -> Result<SettingWritten, Refusal> {
    let key = parse_key(key)?;
    let text = value.to_string();
    if text.len() > LONGEST_VALUE {
        return Err(Refusal::new(
            codes::VALUE_TOO_LARGE,
            format!("the value of `{key}` has {} bytes", text.len()),
        )
        .cause(format!("a setting holds at most {LONGEST_VALUE} bytes of JSON"))
        .hint("keep large things in a file or an object store, and their address here"));
    }
    let command = Command::PutSetting { key: key.clone(), value: Arc::from(text), expect };
    let applied = control.change(principal, Permission::Operate, request_id, command).await?;
    Ok(written(&key, &applied))
}

/// Deletes a setting.
///
/// # Errors
/// When it does not exist or the revision differs from `expect`.
pub async fn delete(
    control: &Control,
    principal: &Principal,
    key: &str,
    expect: Option<Revision>,
    request_id: Option<RequestId>,
) -> Result<SettingWritten, Refusal> {
    let key = parse_key(key)?;
    let command = Command::DeleteSetting { key: key.clone(), expect };
    let applied = control.change(principal, Permission::Operate, request_id, command).await?;
    Ok(written(&key, &applied))
}

fn parse_key(key: &str) -> Result<SettingKey, Refusal> {
    SettingKey::new(key).map_err(|error| Refusal::new(codes::REQUEST_MALFORMED, error.to_string()))
}

fn view(key: &SettingKey, setting: &Setting) -> Result<SettingView, Refusal> {
    let value = serde_json::from_str(&setting.value).map_err(|error| {
        Refusal::new(codes::INTERNAL, format!("setting `{key}` is not JSON: {error}"))
    })?;
    Ok(SettingView { key: key.to_string(), value, revision: setting.revision.0 })
}

fn written(key: &SettingKey, applied: &Applied) -> SettingWritten {
    let revision = match applied {
        Applied::Revision(revision) => revision.0,
        _ => 0,
    };
    SettingWritten { key: key.to_string(), revision }
}
