//! Styles and scripts, embedded, under a path that names their content: they never change, and are cached for
//! ever. They are compressed once.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
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

/// The assets in their order, compressed; `None` for one that cannot be.
static COMPRESSED: LazyLock<Vec<Option<Vec<u8>>>> = LazyLock::new(|| {
    let compressed = |content: &str| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(content.as_bytes()).ok()?;
        gzip.finish().ok()
    };
    ASSETS
        .iter()
        .map(|(_, _, content)| compressed(content))
        .collect()
});

/// Path of an asset.
pub(super) fn path(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// Whether the client accepts gzip; `gzip;q=0` says that it does not.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING);
    let accepted = accepted.and_then(|value| value.to_str().ok());
    let mut codings = accepted.unwrap_or_default().split(',');
    codings.any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim() == "gzip" && !matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

/// Serves an asset.
pub(super) async fn asset(
    Path((version, name)): Path<(String, String)>,
    request: HeaderMap,
) -> Response {
    let found = ASSETS.iter().position(|(known, ..)| *known == name);
    let Some(at) = found.filter(|_| version == *VERSION) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (_, kind, content) = ASSETS[at];
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::VARY, "accept-encoding"),
    ];
    match &COMPRESSED[at] {
        Some(compressed) if accepts_gzip(&request) => {
            let encoding = [(header::CONTENT_ENCODING, "gzip")];
            (headers, encoding, compressed.as_slice()).into_response()
        }
        _ => (headers, content).into_response(),
    }
}
