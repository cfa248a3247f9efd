//! The page of an error code, which is Markdown.

use crate::ui::{Paint, Tone};

/// The page with its headings made strong; without colours the Markdown as it is.
pub(crate) fn page(markdown: &str, paint: Paint) -> String {
    let mut text = String::new();
    for line in markdown.lines() {
        let heading = line.strip_prefix("## ").or_else(|| line.strip_prefix("# "));
        match heading {
            Some(heading) if paint.enabled => text.push_str(&paint.text(Tone::Strong, heading)),
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}
