//! `credwatch explain`: one identity's baseline in words and numbers, and what an event would score,
//! by the state in a folder or by a service at work.

use crate::commands::local_shards::{LocalShards, LocalShardsError};
use crate::commands::service_client as service;
use crate::commands::service_client::ServiceError;
use crate::config::Config;
use crate::files;
use crate::files::InputError;
use crate::files::state_directory::{StateError, StateFolder};
use crate::reports::explanation::BaselineExplanation;
use crate::shard::QueryError;
use std::path::Path;

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// There are no shards to ask.
    #[error(transparent)]
    Lanes(#[from] LocalShardsError),
    /// The events cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// There is no answer.
    #[error(transparent)]
    Inquiry(#[from] QueryError),
    /// The service does not answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
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
) -> Result<BaselineExplanation, ExplainError> {
    let folder = StateFolder::new(folder);
    let shards = LocalShards::open(config, folder.partitions()?, Some(&folder))?;
    Ok(shards.explain(identity, &document(events)?)?)
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
) -> Result<BaselineExplanation, ExplainError> {
    let path = "/v1/explain";
    let query = [("identity", identity)];
    service::ask(config, url, path, &query, Some(&document(events)?)).map_err(ExplainError::Service)
}

fn document(events: Option<&Path>) -> Result<Vec<u8>, InputError> {
    events.map_or(Ok(Vec::new()), |path| files::open(path)?.rest())
}
