//! One record to one topic, for commands.

use crate::config::Config;
use crate::kafka::{KafkaError, client};
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::time::Duration;

/// How long a broker may take to take it.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// Sends a record and waits until the broker has it; returns its partition and offset.
///
/// # Errors
/// No broker takes it.
pub async fn send_one(
    config: &Config,
    topic: &str,
    key: &str,
    payload: &[u8],
) -> Result<(i32, i64), KafkaError> {
    let producer: FutureProducer = client::plain_producer(&config.kafka)
        .create()
        .map_err(KafkaError::Client)?;
    let record = FutureRecord::to(topic).key(key).payload(payload);
    let delivered = producer.send(record, TAKEN_WITHIN).await;
    let delivery = delivered.map_err(|(why, _)| KafkaError::Unreachable {
        servers: config.kafka.bootstrap_servers.clone(),
        why,
    })?;
    Ok((delivery.partition, delivery.offset))
}
