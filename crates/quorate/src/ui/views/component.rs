//! Components and their instances.

use std::fmt::Write as _;

use quorate_api::rest::{ComponentView, InstanceView};

use crate::ui::{Cell, Grid, Paint, Tone, duration::ago};

/// The components as a table.
pub(crate) fn components(views: &[ComponentView], paint: Paint) -> String {
    let header = ["COMPONENT", "PACK", "VERDICT", "READY", "MAY FAIL", "OPERATION", "REASON"];
    let mut grid = Grid::new(&header);
    for view in views {
        let ready = view.instances.iter().filter(|instance| instance.ready).count();
        grid.row(vec![
            Cell::new(&view.name),
            Cell::new(&view.pack),
            Cell::word(&view.verdict),
            Cell::new(format!("{ready}/{}", view.instances.len())),
            Cell::maybe(view.failure_tolerance),
            Cell::maybe(view.operation.as_ref().map(|operation| &operation.id)),
            Cell::new(&view.reason),
        ]);
    }
    grid.render(paint, "no components")
}

/// One component with its instances.
pub(crate) fn component(view: &ComponentView, paint: Paint) -> String {
    let mut text = String::new();
    let _ = write!(
        text,
        "{} ({}): {}",
        paint.text(Tone::Strong, &view.name),
        view.pack,
        paint.word(&view.verdict)
    );
    if !view.reason.is_empty() {
        let _ = write!(text, ", {}", view.reason);
    }
    text.push('\n');
    let may_fail = match view.failure_tolerance {
        None => "it has stopped".to_owned(),
        Some(0) => "none without an interruption".to_owned(),
        Some(count) => count.to_string(),
    };
    let mut line = |label: &str, value: &str| {
        let label = paint.text(Tone::Dim, &format!("{label:<10}"));
        let _ = writeln!(text, "  {label} {value}");
    };
    line("may fail", &may_fail);
    line("revision", &view.revision.to_string());
    if let Some(operation) = &view.operation {
        line("operation", &format!("{} {} ({})", operation.id, operation.title, operation.status));
    }
    for (key, value) in &view.settings {
        line("setting", &format!("{key} = {value}"));
    }
    let _ = write!(text, "\n{}", instances(&view.instances, paint));
    text
}

fn instances(views: &[InstanceView], paint: Paint) -> String {
    let header = [
        "INSTANCE", "NODE", "PROCESS", "PID", "STARTS", "LAST END", "READY", "ROLE", "APPLIED",
        "VERSION", "SEEN", "REASON",
    ];
    let mut grid = Grid::new(&header);
    for view in views {
        let process = if view.desired == "stopped" && view.process != "running" {
            Cell::new("stopped").tone(Tone::Dim)
        } else {
            Cell::word(&view.process)
        };
        grid.row(vec![
            Cell::new(&view.name),
            Cell::new(&view.node_name),
            process,
            Cell::maybe(view.pid),
            Cell::new(view.starts.to_string()),
            Cell::maybe(view.last_end.as_ref()),
            Cell::yes_no(view.ready),
            Cell::maybe(view.role.as_ref()),
            Cell::maybe(view.applied_index),
            Cell::maybe(view.version.as_ref()),
            Cell::new(ago(view.seen_ms)),
            Cell::new(&view.reason),
        ]);
    }
    grid.render(paint, "no instances")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::views::samples;

    #[test]
    fn components_are_a_table() {
        insta::assert_snapshot!(components(&[samples::component()], Paint { enabled: false }));
        insta::assert_snapshot!(components(&[], Paint { enabled: false }), @"no components");
    }

    #[test]
    fn a_component_shows_its_instances() {
        insta::assert_snapshot!(component(&samples::component(), Paint { enabled: false }));
    }
}
