//! Delivery of alerts and orders to receivers, one file per protocol ([`webhook`], [`ssf_push`], [`command`],
//! [`keycloak`], [`poll_queue`]), with a circuit breaker ([`circuit_breaker`]) and the admission of orders
//! ([`admission`]). At least once, with an idempotency key.

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

/// A record to deliver.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'p> {
    /// Idempotency key.
    pub id: &'p str,
    /// The record, as it was published.
    pub json: &'p [u8],
    /// The order, if it is one.
    pub order: Option<&'p Order>,
}

/// Why a delivery failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// A retry may succeed.
    #[error("{0}")]
    Retryable(String),
    /// A retry cannot succeed.
    #[error("{0}")]
    Permanent(String),
    /// The receiver rejected it.
    #[error("{0}")]
    Rejected(String),
    /// Not addressed to this receiver.
    #[error("not addressed to this receiver")]
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
    /// Whether it executes orders, and so reports their outcome.
    fn executes_orders(&self) -> bool {
        false
    }

    /// Delivers one record; returns a note on the result.
    ///
    /// # Errors
    /// The delivery failed; the error states whether it may be retried.
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<String, DeliveryError>;
}

/// The client for `receiver`.
///
/// # Errors
/// A setting is invalid.
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
        ReceiverKind::Command { argv, environment } => {
            Box::new(command::Command::new(argv, environment, timeout))
        }
        ReceiverKind::Keycloak(realm) => {
            Box::new(keycloak::Keycloak::new(realm, timeout).map_err(|error| invalid(&error))?)
        }
    })
}

/// The meaning of an HTTP status.
fn classify_status(reply: &crate::http_client::HttpResponse) -> Result<String, DeliveryError> {
    match reply.status {
        200..=299 => Ok(format!("status {}", reply.status)),
        300..=399 => Err(DeliveryError::Permanent(format!(
            "{}: redirects are not followed",
            reply.summary()
        ))),
        // The operator can repair missing authorization, so a retry may succeed.
        401 | 403 | 408 | 425 | 429 | 500..=599 => Err(DeliveryError::Retryable(reply.summary())),
        _ => Err(DeliveryError::Permanent(reply.summary())),
    }
}
