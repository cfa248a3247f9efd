//! Masters and node managers.

use std::fmt::Write as _;

use quorate_api::rest::{MasterView, NodeManagerView};
use serde::Serialize;

use crate::ui::{Cell, Grid, Paint, Tone, duration::ago};

/// All nodes, by what they do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Nodes {
    pub(crate) masters: Vec<MasterView>,
    pub(crate) node_managers: Vec<NodeManagerView>,
}

/// Both tables.
pub(crate) fn nodes(view: &Nodes, paint: Paint) -> String {
    format!("{}\n{}", masters(&view.masters, paint), managers(&view.node_managers, paint))
}

/// The masters as a table.
pub(super) fn masters(masters: &[MasterView], paint: Paint) -> String {
    let header =
        ["MASTER", "ID", "ROLE", "READY", "LOG", "LAG", "APPLIED", "ADMIN", "VERSION", "REASON"];
    let mut grid = Grid::new(&header);
    for master in masters {
        grid.row(vec![
            Cell::new(&master.name),
            Cell::new(&master.id),
            Cell::word(if master.is_leader { "leader" } else { &master.role }),
            Cell::yes_no(master.ready),
            Cell::maybe(master.matched_index),
            Cell::maybe(master.lag),
            Cell::maybe(master.applied_index),
            Cell::new(&master.admin_addr),
            Cell::new(&master.version),
            Cell::new(&master.reason),
        ]);
    }
    grid.render(paint, "no masters")
}

/// The node managers as a table.
pub(super) fn managers(managers: &[NodeManagerView], paint: Paint) -> String {
    let header =
        ["NODE MANAGER", "ID", "READY", "REPORT", "INSTANCES", "ADDRESS", "VERSION", "REASON"];
    let mut grid = Grid::new(&header);
    for manager in managers {
        grid.row(vec![
            Cell::new(&manager.name),
            Cell::new(&manager.id),
            Cell::yes_no(manager.ready),
            Cell::new(ago(manager.last_report_ms)),
            Cell::new(manager.instances.to_string()),
            Cell::new(&manager.address),
            Cell::new(&manager.version),
            Cell::new(&manager.reason),
        ]);
    }
    let mut text = grid.render(paint, "no node managers");
    for manager in managers {
        for left in &manager.unmanaged {
            let line = format!(
                "{}: process {} of `{}` runs unmanaged",
                manager.name, left.pid, left.instance
            );
            let _ = writeln!(text, "{}", paint.text(Tone::Warn, &line));
        }
    }
    text
}
