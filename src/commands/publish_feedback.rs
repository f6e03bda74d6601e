//! `credwatch feedback`, `forget` and `containment`, and the same by HTTP: one record to the feedback topic.

use crate::config::Config;
use crate::feedback::model::{Feedback, FeedbackCommand, FeedbackError};
use crate::http::FeedbackRequest;
use crate::kafka::KafkaError;
use crate::kafka::feedback_producer::RecordProducer;
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;

/// Why an answer was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It says nothing.
    #[error(transparent)]
    Answer(#[from] FeedbackError),
    /// Kafka does not take it.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Services would pass it by.
    #[error(
        "feedback.require_signature is set, and there is nothing to sign with: name feedback.key_file"
    )]
    Unsigned,
    /// No runtime.
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
}

/// Publishes `answer`; returns what is told of it.
///
/// # Errors
/// It says nothing, or Kafka does not take it.
pub async fn send(config: &Arc<Config>, answer: &Feedback) -> Result<String, PublishError> {
    let key = match answer.command()? {
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
    let (partition, offset) = sender.send_feedback(key, answer).await?;
    Ok(format!(
        "published to {topic}, partition {partition}, offset {offset}; running services take it in within \
         seconds\n"
    ))
}

/// The same, waited for.
///
/// # Errors
/// It says nothing, or Kafka does not take it.
pub fn publish(config: &Arc<Config>, answer: &Feedback) -> Result<String, PublishError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(send(config, answer))
}

/// Publishes what comes by HTTP, one after the other, until nobody can ask any more.
pub async fn serve(config: Arc<Config>, mut feedback_requests: Receiver<FeedbackRequest>) {
    while let Some(request) = feedback_requests.recv().await {
        let told = send(&config, &request.answer).await;
        // Who asked may have gone.
        let _ = request.done.send(told.map_err(|error| error.to_string()));
    }
}
