//! A whole topic, for commands.

use crate::config::Config;
use crate::kafka::shard_recovery::consume_until;
use crate::kafka::{KafkaError, client, topics};
use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::message::Message;
use std::time::Duration;

/// How long a broker may take to answer.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

/// The committed values of a topic, partition by partition, up to its present end.
///
/// # Errors
/// No broker answers, or the topic is missing.
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
            values.push(message.payload().unwrap_or_default().to_vec());
            Ok(message.offset() + 1 < end)
        })?;
    }
    Ok(values)
}
