//! The consumer of one receiver, which records revoked partitions.

use crate::config::{Config, Receiver};
use crate::kafka::{KafkaError, client};
use crate::mutex::lock;
use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::OwnedMessage;
use std::sync::Mutex;
use std::time::Duration;
use tracing::warn;

/// Timeout of one poll.
pub(super) const POLL_TIMEOUT: Duration = Duration::from_millis(50);

/// Records revoked partitions, inside the consumer's own `poll`.
#[derive(Debug, Default)]
pub(super) struct ReceiverContext {
    revoked: Mutex<Vec<(String, i32)>>,
}

impl ReceiverContext {
    /// Topics and partitions that were revoked since the last call.
    pub(super) fn take_revoked(&self) -> Vec<(String, i32)> {
        std::mem::take(&mut lock(&self.revoked))
    }
}

impl ClientContext for ReceiverContext {}

impl ConsumerContext for ReceiverContext {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(partitions) = rebalance else {
            return;
        };
        let partitions = partitions.elements();
        let partitions = partitions
            .iter()
            .map(|partition| (partition.topic().to_owned(), partition.partition()));
        lock(&self.revoked).extend(partitions);
    }
}

/// A consumer of `topics` in the receiver's consumer group.
///
/// # Errors
/// A property is invalid.
pub(super) fn partition_consumer(
    receiver: &Receiver,
    config: &Config,
    topics: &[&str],
) -> Result<BaseConsumer<ReceiverContext>, KafkaError> {
    let group = format!("{}-deliver-{}", config.kafka.group_id, receiver.name);
    let consumer: BaseConsumer<ReceiverContext> = client::consumer(&config.kafka, &group)
        .create_with_context(ReceiverContext::default())
        .map_err(KafkaError::Client)?;
    consumer.subscribe(topics).map_err(KafkaError::Consumer)?;
    Ok(consumer)
}

/// Polls `consumer` for up to `timeout`; transient errors are logged.
///
/// # Errors
/// The consumer failed permanently.
pub(super) fn poll(
    consumer: &BaseConsumer<ReceiverContext>,
    receiver: &str,
    timeout: Duration,
) -> Result<Option<OwnedMessage>, KafkaError> {
    match consumer.poll(timeout) {
        None => Ok(None),
        Some(Ok(message)) => Ok(Some(message.detach())),
        Some(Err(why @ ClientError::MessageConsumptionFatal(_))) => Err(KafkaError::Consumer(why)),
        Some(Err(why)) => {
            warn!(receiver, "consumer error: {why}");
            std::thread::sleep(timeout);
            Ok(None)
        }
    }
}
