//! `credwatch review`: shows one incident, from the topics or from files.

use crate::config::Config;
use crate::files;
use crate::files::InputError;
use crate::kafka::KafkaError;
use crate::kafka::topic_reader::read_all;
use crate::reports::incident_report::IncidentReport;
use serde_json::Value;
use std::path::PathBuf;

/// Why no incident can be shown.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// A file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The topics cannot be read.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// No such alert was published, or it is no longer retained.
    #[error("alert {0:?} not found: pass `finding_info.uid` of the alert")]
    Unknown(String),
}

/// The incident of `alert_id`, from files if any are given, otherwise from the topics of `config`.
///
/// # Errors
/// Nothing can be read, or there is no such alert.
pub fn review(
    config: &Config,
    alert_id: &str,
    alerts: &[PathBuf],
    audit: &[PathBuf],
) -> Result<IncidentReport, ReviewError> {
    let (alerts, audit) = if alerts.is_empty() {
        let topics = &config.topics;
        (
            read_all(config, &topics.alerts)?,
            read_all(config, &topics.decisions)?,
        )
    } else {
        (lines(alerts)?, lines(audit)?)
    };
    let parsed = |records: Vec<Vec<u8>>| -> Vec<Value> {
        let records = records.iter();
        records
            .filter_map(|record| serde_json::from_slice(record).ok())
            .collect()
    };
    let incident = IncidentReport::collect(alert_id, &parsed(alerts), &parsed(audit));
    incident.ok_or_else(|| ReviewError::Unknown(alert_id.to_owned()))
}

fn lines(inputs: &[PathBuf]) -> Result<Vec<Vec<u8>>, InputError> {
    let mut records = Vec::new();
    for path in files::list(inputs)? {
        let document = files::open(&path)?.rest()?;
        records.extend(document.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
    }
    Ok(records)
}
