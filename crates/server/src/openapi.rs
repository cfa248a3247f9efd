//! The OpenAPI document, generated from the handlers and committed as `docs/openapi.json`.

use utoipa::OpenApi;

use crate::rest::Document;

/// The document as JSON text, ending with a newline.
#[must_use]
pub fn document() -> String {
    let mut text = Document::openapi()
        .to_pretty_json()
        .unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"));
    text.push('\n');
    text
}
