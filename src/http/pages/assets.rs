//! Styles and scripts, embedded, under a path that names their content: they never change, and are cached for
//! ever.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, type and content.
const ASSETS: [(&str, &str, &str); 16] = [
    (
        "app.css",
        "text/css; charset=utf-8",
        include_str!("assets/app.css"),
    ),
    (
        "icons.svg",
        "image/svg+xml",
        include_str!("assets/icons.svg"),
    ),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
    ("app.js", SCRIPT, include_str!("assets/app.js")),
    ("frame.js", SCRIPT, include_str!("assets/frame.js")),
    ("parts.js", SCRIPT, include_str!("assets/parts.js")),
    ("now.js", SCRIPT, include_str!("assets/now.js")),
    ("incident.js", SCRIPT, include_str!("assets/incident.js")),
    ("timeline.js", SCRIPT, include_str!("assets/timeline.js")),
    ("identity.js", SCRIPT, include_str!("assets/identity.js")),
    ("source.js", SCRIPT, include_str!("assets/source.js")),
    ("hygiene.js", SCRIPT, include_str!("assets/hygiene.js")),
    ("approvals.js", SCRIPT, include_str!("assets/approvals.js")),
    ("audit.js", SCRIPT, include_str!("assets/audit.js")),
    ("tuning.js", SCRIPT, include_str!("assets/tuning.js")),
    ("settings.js", SCRIPT, include_str!("assets/settings.js")),
];

/// Hash of all assets.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    for (name, _, content) in ASSETS {
        hasher.update(name.as_bytes());
        hasher.update(content.as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
});

/// Path of an asset.
pub(super) fn path(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// Serves an asset.
pub(super) async fn asset(Path((version, name)): Path<(String, String)>) -> Response {
    let found = ASSETS.iter().find(|(known, ..)| *known == name);
    let Some((_, kind, content)) = found.filter(|_| version == *VERSION) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, *kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, *content).into_response()
}
