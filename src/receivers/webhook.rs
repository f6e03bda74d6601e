//! Webhooks: the record as JSON, signed according to Standard Webhooks: `webhook-id`, `webhook-timestamp`,
//! and in `webhook-signature` HMAC-SHA256 over id, timestamp and body, joined by dots.

use super::{Delivery, DeliveryError, ReceiverClient, classify_status};
use crate::clock::wall_time;
use crate::config::Endpoint;
use crate::http_client::{HttpClient, HttpClientError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use credwatch_core::units::MS_PER_SEC;
use ring::hmac;
use std::time::Duration;

/// Maximum size of a response; only its beginning is used.
pub(super) const MAX_RESPONSE_BYTES: u64 = 64 * 1024;
/// Prefix of secrets of Standard Webhooks; the rest is base64.
const SECRET_PREFIX: &str = "whsec_";

/// One webhook.
pub struct Webhook {
    http: HttpClient,
    url: String,
    key: Option<hmac::Key>,
}

impl Webhook {
    /// The webhook at `endpoint`.
    ///
    /// # Errors
    /// Its certificates cannot be read.
    pub fn new(endpoint: &Endpoint, timeout: Duration) -> Result<Self, HttpClientError> {
        let key = (!endpoint.secret.is_empty()).then(|| key(endpoint.secret.reveal()));
        Ok(Self {
            http: HttpClient::new(endpoint, timeout, MAX_RESPONSE_BYTES)?,
            url: endpoint.url.clone(),
            key,
        })
    }
}

fn key(secret: &str) -> hmac::Key {
    let decoded = secret
        .strip_prefix(SECRET_PREFIX)
        .and_then(|rest| BASE64.decode(rest).ok());
    let bytes = decoded.unwrap_or_else(|| secret.as_bytes().to_vec());
    hmac::Key::new(hmac::HMAC_SHA256, &bytes)
}

fn signature(key: &hmac::Key, id: &str, timestamp: &str, body: &[u8]) -> String {
    let mut signed = hmac::Context::with_key(key);
    signed.update(format!("{id}.{timestamp}.").as_bytes());
    signed.update(body);
    format!("v1,{}", BASE64.encode(signed.sign()))
}

impl ReceiverClient for Webhook {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<String, DeliveryError> {
        let timestamp = wall_time().epoch_ms().div_euclid(MS_PER_SEC).to_string();
        let signature = self
            .key
            .as_ref()
            .map(|key| signature(key, delivery.id, &timestamp, delivery.json));
        let mut headers = vec![
            ("content-type", "application/json"),
            ("webhook-id", delivery.id),
            ("webhook-timestamp", &timestamp),
        ];
        headers.extend(signature.as_deref().map(|text| ("webhook-signature", text)));
        let sent = self.http.send("POST", &self.url, &headers, delivery.json);
        classify_status(&sent.map_err(|why| DeliveryError::Retryable(why.to_string()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's libraries.
    #[test]
    fn signatures_match_the_standard_webhooks_example() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed = signature(
            &key,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
