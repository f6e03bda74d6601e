//! `credwatch feedback`, `forget` and `containment`, and their HTTP equivalents: publish one record to the
//! feedback topic.

use crate::config::Config;
use crate::feedback::model::{Feedback, FeedbackCommand, FeedbackError};
use crate::http::{FeedbackRequest, NotPublished};
use crate::kafka::KafkaError;
use crate::kafka::feedback_producer::RecordProducer;
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;

/// Why feedback was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It is malformed.
    #[error(transparent)]
    Answer(#[from] FeedbackError),
    /// Kafka rejected it.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Services would reject it.
    #[error(
        "feedback.require_signature is set, and there is no signing key: set feedback.key_file"
    )]
    Unsigned,
    /// No runtime.
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
}

/// Publishes `feedback` through `producer`; returns a confirmation.
async fn send(producer: &RecordProducer, feedback: &Feedback) -> Result<String, PublishError> {
    let config = producer.config();
    let key = match feedback.command()? {
        FeedbackCommand::AlertVerdict(alert_id, _) => alert_id,
        FeedbackCommand::OrderOutcome(order_id, _) | FeedbackCommand::Approve(order_id) => order_id,
        FeedbackCommand::Forget(identity) => identity,
        FeedbackCommand::Containment(_) => "",
    };
    if config.feedback.verifier.requires_signature && config.feedback.key.is_none() {
        return Err(PublishError::Unsigned);
    }
    let topic = &config.topics.feedback;
    let (partition, offset) = producer.send_feedback(key, feedback).await?;
    Ok(format!(
        "published to {topic}, partition {partition}, offset {offset}; running services take it in within \
         seconds\n"
    ))
}

/// Publishes `feedback`, blocking; returns a confirmation.
///
/// # Errors
/// It is malformed, or Kafka rejected it.
pub fn publish(config: &Arc<Config>, feedback: &Feedback) -> Result<String, PublishError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let producer = RecordProducer::new(Arc::clone(config))?;
    runtime.block_on(send(&producer, feedback))
}

/// Publishes requests from HTTP, one after the other, until the channel closes.
pub async fn serve(config: Arc<Config>, mut feedback_requests: Receiver<FeedbackRequest>) {
    // Kept connected, because a person waits for the answer; replaced after an error, which may be fatal.
    let mut connected = None;
    while let Some(request) = feedback_requests.recv().await {
        let producer = match connected.take() {
            Some(producer) => Ok(producer),
            None => RecordProducer::new(Arc::clone(&config)),
        };
        let result = match producer {
            Ok(producer) => {
                let sent = send(&producer, &request.feedback).await;
                connected = sent.is_ok().then_some(producer);
                sent
            }
            Err(invalid) => Err(invalid.into()),
        };
        // The client may have disconnected.
        let _ = request.done.send(result.map_err(|error| match error {
            PublishError::Kafka(why) => NotPublished::Unavailable(why.to_string()),
            refused => NotPublished::Refused(refused.to_string()),
        }));
    }
}
