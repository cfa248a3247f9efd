//! Makes the start command of one process.

use std::path::PathBuf;

use quorate_model::{Refusal, codes};
use quorate_pack::{LogRotation, RenderContext, RenderedInstance};

use super::settings::Settings;
use crate::{
    setting_reader::first,
    template::{Template, Values, address_of},
};

/// The command, environment and folders of one instance.
pub(super) fn render(context: &RenderContext<'_>) -> Result<RenderedInstance, Refusal> {
    let RenderContext { component, instance, addresses, folder } = context;
    let spec = component.instance(instance).ok_or_else(|| {
        Refusal::new(
            codes::NOT_FOUND,
            format!("component `{}` has no instance `{instance}`", component.name),
        )
    })?;
    let settings = Settings::read(component, spec).map_err(first)?;
    let values = Values {
        instance: spec.name.clone(),
        component: component.name.clone(),
        address: address_of(addresses, spec.node, &spec.name)?,
        port: settings.port,
        folder: folder.clone(),
    };
    let working_dir = settings
        .working_dir
        .as_ref()
        .map_or(folder.clone(), |dir| PathBuf::from(dir.expand(&values)));
    Ok(RenderedInstance {
        command: expand_all(&settings.command, &values),
        env: settings
            .env
            .iter()
            .map(|(name, value)| (name.clone(), value.expand(&values)))
            .collect(),
        working_dir,
        files: Vec::new(),
        folders: vec![folder.clone(), Values::data(folder)],
        certificates: Vec::new(),
        stop_signal: settings.stop_signal,
        stop_grace_ms: settings.stop_grace_ms,
        ports: settings.port.into_iter().collect(),
        log_rotation: LogRotation::default(),
    })
}

/// Every text with the values in place.
pub(super) fn expand_all(templates: &[Template], values: &Values) -> Vec<String> {
    templates.iter().map(|template| template.expand(values)).collect()
}
