//! Everything an instance needs before its start: rendered, folders and files in place.

use std::path::PathBuf;

use quorate_keyring::KeyringError;
use quorate_model::{DesiredInstance, Refusal, codes};
use quorate_pack::{Catalog, RenderContext, RenderedInstance, StopSignal};
use quorate_supervisor::{LaunchSpec, LogRotation, StopSignal as Signal};

use super::certificates::write_if_different;
use crate::disk::make_private;

/// Why an instance could not be started.
pub(super) struct StartTrouble {
    pub(super) refusal: Refusal,
    /// A session with a leader may end it.
    pub(super) waits_for_leader: bool,
}

impl From<Refusal> for StartTrouble {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, waits_for_leader: false }
    }
}

/// Renders an order by its pack's rules.
pub(super) fn render(
    catalog: &Catalog,
    desired: &DesiredInstance,
    folder: PathBuf,
) -> Result<RenderedInstance, Refusal> {
    let pack = &desired.component.pack;
    let rules = catalog.get(pack).ok_or_else(|| {
        Refusal::new(
            codes::SPECIFICATION_INVALID,
            format!("this node manager knows no pack `{pack}`"),
        )
        .hint("run the same version of quorate on every node")
    })?;
    rules.render(&RenderContext {
        component: &desired.component,
        instance: &desired.instance,
        addresses: &desired.addresses,
        folder,
    })
}

/// Makes folders and writes files, where they differ from what they shall be.
pub(super) fn write_out(rendered: &RenderedInstance) -> Result<(), Refusal> {
    for folder in rendered.folders.iter().chain([&rendered.working_dir]) {
        make_private(folder).map_err(|error| {
            Refusal::new(codes::FILE_ACCESS, format!("cannot make the folder {}", folder.display()))
                .cause(error.to_string())
                .hint("check that the folder above it exists and belongs to this user")
        })?;
    }
    for file in &rendered.files {
        write_if_different(&file.path, file.content.as_bytes(), file.mode)
            .map_err(|error: KeyringError| Refusal::from(&error))?;
    }
    Ok(())
}

/// What the supervisor is told to start.
pub(super) fn launch_spec(desired: &DesiredInstance, rendered: RenderedInstance) -> LaunchSpec {
    LaunchSpec {
        instance: desired.instance.clone(),
        command: rendered.command,
        env: rendered.env,
        working_dir: rendered.working_dir,
        generation: desired.start_generation,
        log: LogRotation {
            max_bytes: rendered.log_rotation.max_bytes,
            keep: rendered.log_rotation.keep,
        },
    }
    .with_host_basics()
}

/// The pack's stop signal in the supervisor's words.
pub(super) const fn signal_of(signal: StopSignal) -> Signal {
    match signal {
        StopSignal::Term => Signal::Term,
        StopSignal::Int => Signal::Int,
        StopSignal::Quit => Signal::Quit,
    }
}
