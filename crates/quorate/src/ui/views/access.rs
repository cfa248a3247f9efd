//! Join tokens and the audit trail.

use quorate_api::rest::{AuditView, TokenView};

use crate::ui::{Cell, Grid, Paint, Tone};

/// The join tokens as a table.
pub(crate) fn tokens(views: &[TokenView], paint: Paint) -> String {
    let mut grid = Grid::new(&["TOKEN", "ROLE", "STATUS", "EXPIRES", "CREATED BY"]);
    for view in views {
        grid.row(vec![
            Cell::new(&view.id),
            Cell::new(&view.role),
            Cell::word(&view.status),
            Cell::new(&view.expires_at),
            Cell::new(&view.created_by),
        ]);
    }
    grid.render(paint, "no tokens")
}

/// The audit trail as a table.
pub(crate) fn audit(views: &[AuditView], paint: Paint) -> String {
    let mut grid = Grid::new(&["INDEX", "AT", "WHO", "ACTION", "TARGET", "REFUSED"]);
    for view in views {
        let refused = Cell::maybe(view.refused.as_ref());
        grid.row(vec![
            Cell::new(view.index.to_string()),
            Cell::new(&view.at),
            Cell::new(&view.principal),
            Cell::new(&view.action),
            Cell::new(&view.target),
            if view.refused.is_some() { refused.tone(Tone::Warn) } else { refused },
        ]);
    }
    grid.render(paint, "nothing has been changed yet")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_trail_shows_refusals_too() {
        let entry = AuditView {
            index: 9,
            at: "2026-01-02T03:04:05Z".to_owned(),
            principal: "admin".to_owned(),
            action: "setting.put".to_owned(),
            target: "a/b".to_owned(),
            refused: Some("Q4012".to_owned()),
            hash: "00".to_owned(),
        };
        insta::assert_snapshot!(audit(&[entry], Paint { enabled: false }), @r"
        INDEX  AT                    WHO    ACTION       TARGET  REFUSED
        9      2026-01-02T03:04:05Z  admin  setting.put  a/b     Q4012
        ");
    }
}
