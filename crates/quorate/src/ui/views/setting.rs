//! Settings.

use quorate_api::rest::SettingView;
use serde_json::Value;

use crate::ui::{Cell, Grid, Paint};

/// The settings as a table.
pub(crate) fn settings(views: &[SettingView], paint: Paint) -> String {
    let mut grid = Grid::new(&["KEY", "REVISION", "VALUE"]);
    for view in views {
        grid.row(vec![
            Cell::new(&view.key),
            Cell::new(view.revision.to_string()),
            Cell::new(view.value.to_string()),
        ]);
    }
    grid.render(paint, "no settings")
}

/// A value alone: text as it is, everything else as JSON.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        other => format!("{other}\n"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_shown_without_quotes() {
        assert_eq!(value(&json!("a b")), "a b\n");
        assert_eq!(value(&json!({"a": [1, null]})), "{\"a\":[1,null]}\n");
    }

    #[test]
    fn settings_are_a_table() {
        let view = SettingView { key: "a/b".to_owned(), value: json!("x"), revision: 7 };
        insta::assert_snapshot!(settings(&[view], Paint { enabled: false }), @r#"
        KEY  REVISION  VALUE
        a/b  7         "x"
        "#);
    }
}
