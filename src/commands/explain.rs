//! `credwatch explain`: shows one identity's baseline and what an event would score, from a state directory
//! or a running service.

use crate::commands::local_shards::{LocalShards, LocalShardsError};
use crate::config::Config;
use crate::files;
use crate::files::InputError;
use crate::files::state_directory::{StateError, StateFolder};
use crate::reports::explanation::BaselineExplanation;
use crate::service_client::{ServiceClient, ServiceError};
use crate::shard::QueryError;
use std::path::Path;

/// Why an identity cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// There are no shards.
    #[error(transparent)]
    Lanes(#[from] LocalShardsError),
    /// The events cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// There is no result.
    #[error(transparent)]
    Inquiry(#[from] QueryError),
    /// The service does not respond.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Explains `identity` from the state in `folder`; with `events`, also what each event in that file
/// would score. Nothing is learned and nothing is written.
///
/// # Errors
/// There is no such state or baseline, or no event can be read.
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

/// The same from the service at `url`, with the configured token.
///
/// # Errors
/// The service does not respond, or reports an error.
pub fn by_service(
    config: &Config,
    url: &str,
    identity: &str,
    events: Option<&Path>,
) -> Result<BaselineExplanation, ExplainError> {
    let path = "/v1/explain";
    let query = [("identity", identity)];
    let service = ServiceClient::new(url, &config.http.token);
    Ok(service.ask(path, &query, Some(&document(events)?))?)
}

fn document(events: Option<&Path>) -> Result<Vec<u8>, InputError> {
    events.map_or(Ok(Vec::new()), |path| files::open(path)?.rest())
}
