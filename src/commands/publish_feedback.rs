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

/// Publishes `feedback`; returns a confirmation.
///
/// # Errors
/// It is malformed, or Kafka rejected it.
pub async fn send(config: &Arc<Config>, feedback: &Feedback) -> Result<String, PublishError> {
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
    let sender = RecordProducer::new(Arc::clone(config))?;
    let (partition, offset) = sender.send_feedback(key, feedback).await?;
    Ok(format!(
        "published to {topic}, partition {partition}, offset {offset}; running services take it in within \
         seconds\n"
    ))
}

/// The same, blocking.
///
/// # Errors
/// It is malformed, or Kafka rejected it.
pub fn publish(config: &Arc<Config>, feedback: &Feedback) -> Result<String, PublishError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(send(config, feedback))
}

/// Publishes requests from HTTP, one after the other, until the channel closes.
pub async fn serve(config: Arc<Config>, mut feedback_requests: Receiver<FeedbackRequest>) {
    while let Some(request) = feedback_requests.recv().await {
        let result = send(&config, &request.feedback).await;
        // The client may have disconnected.
        let _ = request.done.send(result.map_err(|error| match error {
            PublishError::Kafka(why) => NotPublished::Unavailable(why.to_string()),
            refused => NotPublished::Refused(refused.to_string()),
        }));
    }
}
