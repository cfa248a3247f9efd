//! Style, script and icons, compiled in and named by their content, so that a browser may keep
//! them for ever and an upgrade is seen at once.

use std::sync::LazyLock;

use axum::{
    extract::{Path, RawQuery},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use quorate_model::hex;
use sha2::{Digest, Sha256};

struct Asset {
    name: &'static str,
    media_type: &'static str,
    body: &'static str,
    /// The beginning of the SHA-256 of the body.
    version: String,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let asset = |name, media_type, body: &'static str| {
        let version = hex(&Sha256::digest(body)[..6]);
        Asset { name, media_type, body, version }
    };
    vec![
        asset("console.css", "text/css; charset=utf-8", include_str!("../assets/console.css")),
        asset("console.js", "text/javascript; charset=utf-8", include_str!("../assets/console.js")),
        asset("favicon.svg", "image/svg+xml", include_str!("../assets/favicon.svg")),
        asset("icons.svg", "image/svg+xml", include_str!("../assets/icons.svg")),
    ]
});

/// The address of an asset, with its version.
pub(crate) fn url(name: &str) -> String {
    let version = ASSETS.iter().find(|asset| asset.name == name).map(|asset| &asset.version);
    debug_assert!(version.is_some(), "no asset `{name}`");
    format!("/assets/{name}?v={}", version.map_or("", String::as_str))
}

/// Answers `GET /assets/{file}`.
pub(crate) async fn serve(
    Path(file): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == file) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let etag = format!("\"{}\"", asset.version);
    let is_versioned = query.is_some_and(|query| query == format!("v={}", asset.version));
    let cache = if is_versioned { "public, max-age=31536000, immutable" } else { "no-cache" };
    let answer = [
        (header::CONTENT_TYPE, asset.media_type.to_owned()),
        (header::CACHE_CONTROL, cache.to_owned()),
        (header::ETAG, etag.clone()),
    ];
    let is_known =
        headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    if is_known {
        (StatusCode::NOT_MODIFIED, answer).into_response()
    } else {
        (answer, asset.body).into_response()
    }
}
