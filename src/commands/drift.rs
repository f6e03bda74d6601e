//! `credwatch drift`: unused privileges and overdue rotations, from a state directory or a running service.

use crate::commands::local_shards::{LocalShards, LocalShardsError};
use crate::config::Config;
use crate::files::state_directory::{StateError, StateFolder};
use crate::reports::hygiene::HygieneReport;
use crate::service_client::{ServiceClient, ServiceError};
use std::path::Path;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum DriftError {
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// There are no shards.
    #[error(transparent)]
    Lanes(#[from] LocalShardsError),
    /// The service does not respond.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Privileges not used for `days` days and overdue rotations, from the state in `folder`.
///
/// # Errors
/// There is no such state.
pub fn by_state(config: &Config, folder: &Path, days: u16) -> Result<HygieneReport, DriftError> {
    let folder = StateFolder::new(folder);
    let partitions = folder.partitions()?;
    let shards = LocalShards::open(config, partitions, Some(&folder))?;
    let all = partitions as usize;
    let mut report = HygieneReport::new(days, all, all);
    shards
        .hygiene(days)
        .for_each(|of_shard| report.add(of_shard));
    Ok(report)
}

/// The same from the service at `url`, with the configured token.
///
/// # Errors
/// The service does not respond.
pub fn by_service(config: &Config, url: &str, days: u16) -> Result<HygieneReport, DriftError> {
    let days = days.to_string();
    let service = ServiceClient::new(url, &config.http.token);
    Ok(service.ask("/v1/drift", &[("days", &days)], None)?)
}
