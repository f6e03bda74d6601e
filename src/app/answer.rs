//! `credwatch feedback` and `credwatch forget`: one record to the feedback topic.

use crate::config::Config;
use crate::kafka::KafkaError;
use crate::kafka::send::send_one;
use crate::wire::answer::{Answer, AnswerError, Asked};

/// Why an answer was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It says nothing.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// Kafka does not take it.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// No runtime.
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
}

/// Publishes `answer`; returns what is told of it.
///
/// # Errors
/// It says nothing, or Kafka does not take it.
pub fn publish(config: &Config, answer: &Answer) -> Result<String, PublishError> {
    let key = match answer.asked()? {
        Asked::Judge(alert_id, _) => alert_id,
        Asked::Forget(identity) => identity,
    };
    let topic = &config.topics.feedback;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let payload = answer.to_json();
    let sent = send_one(config, topic, key, &payload);
    let (partition, offset) = runtime.block_on(sent)?;
    let secs = config.checkpoint_every.as_secs();
    Ok(format!(
        "published to {topic}, partition {partition}, offset {offset}; a running service takes it in within \
         {secs} s\n"
    ))
}
