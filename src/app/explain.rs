//! `credwatch explain`: one identity's baseline in words and numbers, and what an event would score,
//! by the state in a folder or by a service at work.

use crate::app::lanes::{Lanes, LanesError};
use crate::config::Config;
use crate::file::state::{StateError, StateFolder};
use crate::file::{self, InputError};
use crate::inquiry::InquiryError;
use crate::wire::explained::Explained;
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// A service answers between two batches of events; this only ends a wait for one that hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// There are no shards to ask.
    #[error(transparent)]
    Lanes(#[from] LanesError),
    /// The events cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// There is no answer.
    #[error(transparent)]
    Inquiry(#[from] InquiryError),
    /// The service does not answer.
    #[error("{url}: {why}")]
    Service {
        /// Where it was asked.
        url: String,
        /// Why.
        why: String,
    },
}

/// Explains `identity` by the state in `folder`; with `events`, also what each event in that file
/// would score. Nothing is learned and nothing written.
///
/// # Errors
/// There is no such state, nothing is known, or no event can be read.
pub fn by_state(
    config: &Config,
    folder: &Path,
    identity: &str,
    events: Option<&Path>,
) -> Result<Explained, ExplainError> {
    let folder = StateFolder::new(folder);
    let lanes = Lanes::open(config, folder.partitions()?, Some(&folder))?;
    Ok(lanes.explain(identity, &document(events)?)?)
}

/// The same by the service at `url`, whose token is that of the configuration.
///
/// # Errors
/// The service does not answer, or says why it has no answer.
pub fn by_service(
    config: &Config,
    url: &str,
    identity: &str,
    events: Option<&Path>,
) -> Result<Explained, ExplainError> {
    let failed = |why: String| ExplainError::Service {
        url: url.to_owned(),
        why,
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(ANSWER_WITHIN))
        .http_status_as_error(false)
        .build()
        .into();
    let token = config.http.token.reveal();
    let mut answer = agent
        .post(format!("{}/v1/explain", url.trim_end_matches('/')))
        .query("identity", identity)
        .header("authorization", format!("Bearer {token}"))
        .send(&document(events)?)
        .map_err(|error| failed(error.to_string()))?;
    let text = answer
        .body_mut()
        .read_to_string()
        .map_err(|error| failed(error.to_string()))?;
    if answer.status().is_success() {
        return serde_json::from_str(&text)
            .map_err(|error| failed(format!("answers something else: {error}")));
    }
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let refusal = serde_json::from_str(&text).map(|refusal: Refusal| refusal.error);
    Err(failed(
        refusal.unwrap_or_else(|_| answer.status().to_string()),
    ))
}

fn document(events: Option<&Path>) -> Result<Vec<u8>, InputError> {
    events.map_or(Ok(Vec::new()), |path| file::open(path)?.rest())
}
