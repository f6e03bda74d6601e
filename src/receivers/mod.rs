//! How alerts and orders are carried to others: one file a way ([`webhook`], [`ssf_push`], [`command`],
//! [`keycloak`], [`poll_queue`]), when a receiver is left alone ([`circuit_breaker`]), and which orders may be
//! acted on ([`admission`]). At least once, with an idempotency key.

pub mod admission;
pub mod circuit_breaker;
pub mod command;
pub mod containment_pause;
pub mod delivery;
pub mod keycloak;
pub mod poll_queue;
pub mod receiver_consumer;
mod receiver_partitions;
pub mod ssf_poll_consumer;
pub mod ssf_push;
pub mod webhook;

use crate::config::{Deliver, Receiver, ReceiverKind};
use crate::orders::model::Order;

/// Something to be carried.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'p> {
    /// The idempotency key.
    pub id: &'p str,
    /// The record, as it was published.
    pub json: &'p [u8],
    /// The order, where it is one.
    pub order: Option<&'p Order>,
}

/// Why something was not carried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// It may go better later.
    #[error("{0}")]
    Retryable(String),
    /// It will not.
    #[error("{0}")]
    Permanent(String),
    /// It must not be done, as the receiver sees it.
    #[error("{0}")]
    Rejected(String),
    /// It is no business of this receiver.
    #[error("it is for somebody else")]
    NotApplicable,
}

/// Why a receiver's worker failed.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// The receiver's settings are invalid.
    #[error("deliver.receivers: {0}")]
    Invalid(String),
    /// Kafka failed.
    #[error("{0}")]
    Kafka(#[from] crate::kafka::KafkaError),
}

/// A client that delivers to one receiver.
pub trait ReceiverClient: Send {
    /// Whether it carries orders out, and so is to answer for them.
    fn executes_orders(&self) -> bool {
        false
    }

    /// Carries one thing; returns what is told of it.
    ///
    /// # Errors
    /// Says why it was not carried, and whether it may be tried again.
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<String, DeliveryError>;
}

/// The carrier for `receiver`.
///
/// # Errors
/// Says what of its settings cannot be used.
pub fn receiver_client(
    receiver: &Receiver,
    deliver: &Deliver,
) -> Result<Box<dyn ReceiverClient>, ReceiverError> {
    let timeout = deliver.timeout;
    let invalid =
        |why: &dyn std::fmt::Display| ReceiverError::Invalid(format!("{}: {why}", receiver.name));
    Ok(match &receiver.kind {
        ReceiverKind::Webhook(endpoint) => {
            Box::new(webhook::Webhook::new(endpoint, timeout).map_err(|error| invalid(&error))?)
        }
        ReceiverKind::SsfPush(endpoint) => {
            Box::new(ssf_push::SsfPush::new(endpoint, timeout).map_err(|error| invalid(&error))?)
        }
        // Served from its poll queue over HTTP.
        ReceiverKind::SsfPoll(_) => return Err(invalid(&"an SSF poll receiver fetches by itself")),
        ReceiverKind::Command { argv } => Box::new(command::Command::new(argv, timeout)),
        ReceiverKind::Keycloak(realm) => {
            Box::new(keycloak::Keycloak::new(realm, timeout).map_err(|error| invalid(&error))?)
        }
    })
}

/// What an answer of a web server means.
fn classify_status(reply: &crate::http_client::HttpResponse) -> Result<String, DeliveryError> {
    match reply.status {
        200..=299 => Ok(format!("status {}", reply.status)),
        300..=399 => Err(DeliveryError::Permanent(format!(
            "{}: redirects are not followed",
            reply.summary()
        ))),
        // Who does not let us in may do so once the operator has mended it.
        401 | 403 | 408 | 425 | 429 | 500..=599 => Err(DeliveryError::Retryable(reply.summary())),
        _ => Err(DeliveryError::Permanent(reply.summary())),
    }
}
