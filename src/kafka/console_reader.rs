//! Feeds the console: reads the alerts and the audit trail of all partitions, without a group, from the
//! beginning of their retention, and goes on for ever. The shards take no part in it.

use crate::console::Console;
use crate::kafka::KafkaError;
use crate::kafka::stage::Shared;
use crate::kafka::topic_reader::{follow, polled_record};
use rdkafka::error::KafkaError as ClientError;
use std::time::Duration;

/// An alert waits no longer than this for a record of the audit trail.
const POLL_TIMEOUT: Duration = Duration::from_millis(50);

/// Reads until shutdown is requested: first the alerts that there are, then what stands in the audit trail
/// about them, then both as they come. Each topic has a reader of its own, which is assigned once.
///
/// # Errors
/// The topics are missing, no broker is reachable, or a consumer failed permanently.
pub fn feed(shared: &Shared, console: &Console) -> Result<(), KafkaError> {
    let topics = &shared.config.topics;
    let (alerts, mut unread) = follow(&shared.config, "console", &topics.alerts)?;
    while !unread.is_empty() && !shared.stopping() {
        match alerts.poll(POLL_TIMEOUT) {
            Some(Err(ClientError::PartitionEOF(partition))) => drop(unread.remove(&partition)),
            polled => polled_record(polled, |record| console.take_alert(record))?,
        }
    }
    let (decisions, _) = follow(&shared.config, "console", &topics.decisions)?;
    shared.status.recover("console");
    while !shared.stopping() {
        polled_record(decisions.poll(POLL_TIMEOUT), |record| {
            console.take_audit(record);
        })?;
        while let Some(polled) = alerts.poll(Duration::ZERO) {
            polled_record(Some(polled), |record| console.take_alert(record))?;
        }
    }
    Ok(())
}
