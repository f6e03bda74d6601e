//! HTTP client of a running service.

use crate::config::Config;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A service responds between two batches of events; this limits the wait for one that hangs.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// It does not respond, or reports an error.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {why}")]
pub struct ServiceError {
    url: String,
    why: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Opens the stream at `path` of the service at `url` with the configured token.
///
/// # Errors
/// It does not respond, or reports an error.
pub fn open_stream(
    config: &Config,
    url: &str,
    path: &str,
) -> Result<impl std::io::BufRead, ServiceError> {
    let failed = |why: String| ServiceError {
        url: url.to_owned(),
        why,
    };
    let bearer = format!("Bearer {}", config.http.token.reveal());
    let page = format!("{}{path}", url.trim_end_matches('/'));
    let response = ureq::get(page).header("authorization", bearer).call();
    let response = response.map_err(|error| failed(error.to_string()))?;
    Ok(std::io::BufReader::new(response.into_body().into_reader()))
}

/// Requests `path` of the service at `url` with the configured token; with a body the request is a POST.
///
/// # Errors
/// It does not respond, or reports an error.
pub fn ask<T: DeserializeOwned>(
    config: &Config,
    url: &str,
    path: &str,
    query: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Result<T, ServiceError> {
    let failed = |why: String| ServiceError {
        url: url.to_owned(),
        why,
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(RESPONSE_TIMEOUT))
        .http_status_as_error(false)
        .build()
        .into();
    let bearer = format!("Bearer {}", config.http.token.reveal());
    let page = format!("{}{path}", url.trim_end_matches('/'));
    let query = query.iter().copied();
    let sent = match body {
        Some(body) => agent
            .post(page)
            .query_pairs(query)
            .header("authorization", bearer)
            .send(body),
        None => agent
            .get(page)
            .query_pairs(query)
            .header("authorization", bearer)
            .call(),
    };
    let mut response = sent.map_err(|error| failed(error.to_string()))?;
    let text = response
        .body_mut()
        .with_config()
        .limit(1 << 30)
        .read_to_string();
    let text = text.map_err(|error| failed(error.to_string()))?;
    if response.status().is_success() {
        return serde_json::from_str(&text)
            .map_err(|error| failed(format!("unexpected response: {error}")));
    }
    let refusal = serde_json::from_str(&text).map(|refusal: Refusal| refusal.error);
    Err(failed(
        refusal.unwrap_or_else(|_| response.status().to_string()),
    ))
}
