//! `credwatch incidents` and `watch`: the incidents of a service, or of a file of alerts.

use crate::config::Config;
use crate::console::incident_index::{IncidentIndex, StoredIncident, most_urgent};
use crate::files;
use crate::files::InputError;
use crate::service_client::{ServiceClient, ServiceError};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::BufRead;
use std::path::Path;

/// Why there are no incidents to show.
#[derive(Debug, thiserror::Error)]
pub enum IncidentsError {
    /// The service does not answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The stream ended.
    #[error("the stream ended: {0}")]
    Stream(#[from] std::io::Error),
}

#[derive(Deserialize)]
struct Page {
    incidents: Vec<Value>,
}

/// The most urgent incidents that nobody has answered, of the service at `url`.
///
/// # Errors
/// It does not answer, or refuses.
pub fn of_service(config: &Config, url: &str, limit: usize) -> Result<Vec<Value>, IncidentsError> {
    let limit = limit.to_string();
    let query = [("state", "open"), ("limit", limit.as_str())];
    let page: Page =
        ServiceClient::new(url, &config.http.token).ask("/v1/incidents", &query, None)?;
    Ok(page.incidents)
}

/// The most urgent incidents of a file of alerts, as `replay --alerts` writes it.
///
/// # Errors
/// It cannot be read.
pub fn of_file(path: &Path, limit: usize) -> Result<Vec<Value>, IncidentsError> {
    let mut index = IncidentIndex::new(usize::MAX);
    let document = files::open(path)?.rest()?;
    for line in document.split(|byte| *byte == b'\n') {
        index.add_alert(line);
    }
    let mut incidents: Vec<&StoredIncident> = index.all().collect();
    most_urgent(&mut incidents, limit);
    let shown = incidents.iter().map(|incident| json!(incident.summary));
    Ok(shown.collect())
}

/// Calls `show` with the open incidents, at first and whenever one changes, until the stream ends.
///
/// # Errors
/// The service does not answer, refuses, or ends the stream.
pub fn watch(
    config: &Config,
    url: &str,
    limit: usize,
    mut show: impl FnMut(&[Value]),
) -> Result<(), IncidentsError> {
    show(&of_service(config, url, limit)?);
    let mut kind = String::new();
    let service = ServiceClient::new(url, &config.http.token);
    for line in service.open_stream("/v1/stream")?.lines() {
        let line = line?;
        if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut kind);
        } else if line.is_empty() && matches!(kind.as_str(), "incident" | "reset") {
            kind.clear();
            show(&of_service(config, url, limit)?);
        }
    }
    Ok(())
}
