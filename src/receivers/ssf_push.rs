//! Pushes Security Event Tokens to a receiver of Shared Signals (RFC 8935).

use super::webhook::MAX_RESPONSE_BYTES;
use super::{Delivery, DeliveryError, ReceiverClient, classify_status};
use crate::config::Endpoint;
use crate::http_client::{HttpClient, HttpClientError, HttpResponse};
use serde::Deserialize;
use std::time::Duration;

/// One receiver.
pub struct SsfPush {
    http: HttpClient,
    url: String,
    bearer: Option<String>,
}

impl SsfPush {
    /// The receiver at `endpoint`.
    ///
    /// # Errors
    /// Its certificates cannot be read.
    pub fn new(endpoint: &Endpoint, timeout: Duration) -> Result<Self, HttpClientError> {
        let secret = &endpoint.secret;
        Ok(Self {
            http: HttpClient::new(endpoint, timeout, MAX_RESPONSE_BYTES)?,
            url: endpoint.url.clone(),
            bearer: (!secret.is_empty()).then(|| format!("Bearer {}", secret.reveal())),
        })
    }
}

/// Error response of a receiver (RFC 8935, section 2.4).
#[derive(Deserialize)]
struct Problem {
    err: String,
    #[serde(default)]
    description: String,
}

fn classify_response(reply: &HttpResponse) -> Result<String, DeliveryError> {
    if reply.status == 400
        && let Ok(problem) = serde_json::from_slice::<Problem>(&reply.body)
    {
        let (err, description) = (problem.err, problem.description);
        let why = format!("rejected by the receiver: {err}: {description}");
        // The receiver may learn the key, or accept our credentials, a little later.
        return Err(match err.as_str() {
            "invalid_key" | "authentication_failed" | "access_denied" => {
                DeliveryError::Retryable(why)
            }
            _ => DeliveryError::Permanent(why),
        });
    }
    classify_status(reply)
}

impl ReceiverClient for SsfPush {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<String, DeliveryError> {
        let set = delivery.order.and_then(|order| order.set.as_deref());
        let set = set
            .ok_or_else(|| DeliveryError::Permanent("the order has no token to push".to_owned()))?;
        let mut headers = vec![
            ("content-type", "application/secevent+jwt"),
            ("accept", "application/json"),
        ];
        headers.extend(self.bearer.as_deref().map(|text| ("authorization", text)));
        let sent = self.http.send("POST", &self.url, &headers, set.as_bytes());
        classify_response(&sent.map_err(|why| DeliveryError::Retryable(why.to_string()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_response_of_a_receiver_is_parsed() {
        let reply = |status, body: &str| HttpResponse {
            status,
            body: body.as_bytes().to_vec(),
        };
        assert!(classify_response(&reply(202, "")).is_ok());
        let malformed = classify_response(&reply(
            400,
            r#"{"err":"invalid_request","description":"no"}"#,
        ));
        assert!(
            matches!(malformed, Err(DeliveryError::Permanent(why)) if why.contains("invalid_request"))
        );
        let no_key = classify_response(&reply(400, r#"{"err":"invalid_key"}"#));
        assert!(matches!(no_key, Err(DeliveryError::Retryable(_))));
        assert!(matches!(
            classify_response(&reply(400, "?")),
            Err(DeliveryError::Permanent(_))
        ));
        assert!(matches!(
            classify_response(&reply(503, "")),
            Err(DeliveryError::Retryable(_))
        ));
        let redirected = classify_response(&reply(302, ""));
        assert!(
            matches!(redirected, Err(DeliveryError::Permanent(why)) if why.contains("redirects"))
        );
    }
}
