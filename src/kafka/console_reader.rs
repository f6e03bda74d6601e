//! Feeds the console: reads the alerts and the audit trail of all partitions, without a group, from the
//! beginning of their retention, and goes on for ever. The shards take no part in it.

use crate::console::Console;
use crate::kafka::client::Reader;
use crate::kafka::stage::Shared;
use crate::kafka::{KafkaError, client, topics};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::time::Duration;
use tracing::warn;

/// An alert waits no longer than this for a record of the audit trail.
const POLL_TIMEOUT: Duration = Duration::from_millis(50);

/// Reads until shutdown is requested: first the alerts that there are, then what stands in the audit trail
/// about
/// them, then both as they come. Each topic has a reader of its own, which is assigned once.
///
/// # Errors
/// The topics are missing, no broker is reachable, or a consumer failed permanently.
pub fn feed(shared: &Shared, console: &Console) -> Result<(), KafkaError> {
    let topics = &shared.config.topics;
    let (alerts, mut unread) = open_topic(shared, &topics.alerts)?;
    while !unread.is_empty() && !shared.stopping() {
        match alerts.poll(POLL_TIMEOUT) {
            Some(Err(ClientError::PartitionEOF(partition))) => drop(unread.remove(&partition)),
            polled => take(polled, |record| console.take_alert(record))?,
        }
    }
    let (decisions, _) = open_topic(shared, &topics.decisions)?;
    shared.status.recover("console");
    while !shared.stopping() {
        take(decisions.poll(POLL_TIMEOUT), |record| {
            console.take_audit(record)
        })?;
        while let Some(polled) = alerts.poll(Duration::ZERO) {
            take(Some(polled), |record| console.take_alert(record))?;
        }
    }
    Ok(())
}

/// A reader of all partitions of a topic from their beginning, and the partitions.
fn open_topic(shared: &Shared, topic: &String) -> Result<(Reader, BTreeSet<i32>), KafkaError> {
    let config = &shared.config;
    let group = format!("{}-console", config.kafka.group_id);
    let reader = client::open(&client::reader(&config.kafka, &group))?;
    let partitions = 0..topics::require(config, std::slice::from_ref(topic))? as i32;
    let mut assignment = TopicPartitionList::new();
    for partition in partitions.clone() {
        assignment
            .add_partition_offset(topic, partition, Offset::Beginning)
            .map_err(KafkaError::Consumer)?;
    }
    reader.assign(&assignment).map_err(KafkaError::Consumer)?;
    Ok((reader, partitions.collect()))
}

fn take(
    polled: Option<Result<BorrowedMessage<'_>, ClientError>>,
    console: impl FnOnce(&[u8]),
) -> Result<(), KafkaError> {
    match polled {
        Some(Ok(message)) => {
            if let Some(record) = message.payload() {
                console(record);
            }
        }
        Some(Err(error @ ClientError::MessageConsumptionFatal(_))) => {
            return Err(KafkaError::Consumer(error));
        }
        Some(Err(ClientError::PartitionEOF(_))) | None => {}
        Some(Err(error)) => warn!(%error, "console reader"),
    }
    Ok(())
}
