//! Publishes single records outside transactions: for commands, and for at-least-once delivery.

use crate::clock::wall_time;
use crate::config::Config;
use crate::feedback::model::Feedback;
use crate::feedback::signed_feedback;
use crate::kafka::{KafkaError, client};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for room in the queue of the client.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Publishes records one by one.
pub struct RecordProducer {
    config: Arc<Config>,
    producer: FutureProducer,
}

impl RecordProducer {
    /// A producer with the settings of `config`.
    ///
    /// # Errors
    /// A property is invalid.
    pub fn new(config: Arc<Config>) -> Result<Self, KafkaError> {
        let producer = client::plain_producer(&config.kafka)
            .create()
            .map_err(KafkaError::Client)?;
        Ok(Self { config, producer })
    }

    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Publishes a record and waits for its acknowledgement; returns its partition and offset.
    ///
    /// # Errors
    /// No broker acknowledges it.
    pub async fn send(
        &self,
        topic: &str,
        key: &str,
        headers: &[(&'static str, String)],
        payload: &[u8],
    ) -> Result<(i32, i64), KafkaError> {
        let mut own = OwnedHeaders::new_with_capacity(headers.len());
        for (key, value) in headers {
            let value = Some(value.as_str());
            own = own.insert(Header { key, value });
        }
        let record = FutureRecord::to(topic)
            .key(key)
            .payload(payload)
            .headers(own);
        let delivered = self.producer.send(record, SEND_TIMEOUT).await;
        let delivery = delivered.map_err(|(why, _)| KafkaError::Unreachable {
            servers: self.config.kafka.bootstrap_servers.clone(),
            why,
        })?;
        Ok((delivery.partition, delivery.offset))
    }

    /// Publishes feedback, signed where there is a key.
    ///
    /// # Errors
    /// No broker acknowledges it.
    pub async fn send_feedback(
        &self,
        key: &str,
        feedback: &Feedback,
    ) -> Result<(i32, i64), KafkaError> {
        let signing = self.config.feedback.key.as_ref();
        let signed = signing.and_then(|key| signed_feedback::sign(feedback, key, wall_time()));
        let record = signed.unwrap_or_else(|| feedback.to_json());
        let topic = &self.config.topics.feedback;
        self.send(topic, key, &[], &record).await
    }
}
