//! Reads a partition or a whole topic from a given offset to its end, or for ever.

use crate::clock::Stopwatch;
use crate::config::Config;
use crate::kafka::client::Reader;
use crate::kafka::{KafkaError, client, topics};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::time::Duration;
use tracing::warn;

/// How long a broker may take to answer.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);
/// The broker aborts the open transaction of a crashed process within this time.
pub(super) const STABLE_OFFSET_TIMEOUT: Duration = Duration::from_secs(60);

/// The committed values of a topic, partition by partition, up to its current end.
///
/// # Errors
/// No broker is reachable, or the topic is missing.
pub fn read_all(config: &Config, topic: &String) -> Result<Vec<Vec<u8>>, KafkaError> {
    let partitions = topics::require(config, std::slice::from_ref(topic))?;
    let group = format!("{}-review", config.kafka.group_id);
    let reader = client::open(&client::reader(&config.kafka, &group))?;
    let mut values = Vec::new();
    for partition in 0..partitions as i32 {
        let ends = reader.fetch_watermarks(topic, partition, BROKER_TIMEOUT);
        let (first, end) = ends.map_err(KafkaError::Consumer)?;
        if first == end {
            continue;
        }
        consume_until(&reader, topic, partition, Offset::Beginning, |message| {
            values.extend(message.payload().map(<[u8]>::to_vec));
            Ok(message.offset() + 1 < end)
        })?;
    }
    Ok(values)
}

/// A reader of all partitions of a topic from their beginning, without a group, and the partitions. It is
/// assigned once.
///
/// # Errors
/// No broker is reachable, or the topic is missing.
pub(super) fn follow(
    config: &Config,
    purpose: &str,
    topic: &String,
) -> Result<(Reader, BTreeSet<i32>), KafkaError> {
    let group = format!("{}-{purpose}", config.kafka.group_id);
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

/// Calls `take` with the value of what a poll returned, if it is a record.
///
/// # Errors
/// The consumer failed permanently.
pub(super) fn polled_record(
    polled: Option<Result<BorrowedMessage<'_>, ClientError>>,
    take: impl FnOnce(&[u8]),
) -> Result<(), KafkaError> {
    match polled {
        Some(Ok(message)) => {
            if let Some(record) = message.payload() {
                take(record);
            }
        }
        Some(Err(error @ ClientError::MessageConsumptionFatal(_))) => {
            return Err(KafkaError::Consumer(error));
        }
        Some(Err(ClientError::PartitionEOF(_))) | None => {}
        Some(Err(error)) => warn!(%error, "reader"),
    }
    Ok(())
}

/// Reads a partition from `start` to its end, or until `visit` returns `false`.
///
/// # Errors
/// The consumer failed, or the last stable offset does not advance.
pub(crate) fn consume_until(
    reader: &Reader,
    topic: &str,
    partition: i32,
    start: Offset,
    mut visit: impl FnMut(&BorrowedMessage<'_>) -> Result<bool, KafkaError>,
) -> Result<(), KafkaError> {
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset(topic, partition, start)
        .and_then(|()| reader.assign(&assignment))
        .map_err(KafkaError::Consumer)?;
    let mut waiting = Stopwatch::start();
    loop {
        match reader.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                if !visit(&message)? {
                    return Ok(());
                }
                waiting = Stopwatch::start();
            }
            Some(Err(ClientError::PartitionEOF(_))) => return Ok(()),
            Some(Err(error @ ClientError::MessageConsumptionFatal(_))) => {
                return Err(KafkaError::Consumer(error));
            }
            Some(Err(error)) => warn!(%error, "consumer"),
            None if waiting.elapsed() > STABLE_OFFSET_TIMEOUT => {
                return Err(KafkaError::UnstableOffset(topic.to_owned(), partition));
            }
            None => {}
        }
    }
}
