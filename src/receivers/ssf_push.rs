//! Security Event Tokens, pushed to a receiver of Shared Signals (RFC 8935).

use super::webhook::ANSWER_BYTES;
use super::{Carrier, Failure, Parcel, judged};
use crate::config::Endpoint;
use crate::http_client::{Outbound, OutboundError, Reply};
use serde::Deserialize;
use std::time::Duration;

/// One receiver.
pub struct SsfPush {
    http: Outbound,
    url: String,
    bearer: Option<String>,
}

impl SsfPush {
    /// The receiver at `endpoint`.
    ///
    /// # Errors
    /// Its certificates cannot be read.
    pub fn new(endpoint: &Endpoint, timeout: Duration) -> Result<Self, OutboundError> {
        let secret = &endpoint.secret;
        Ok(Self {
            http: Outbound::new(endpoint, timeout, ANSWER_BYTES)?,
            url: endpoint.url.clone(),
            bearer: (!secret.is_empty()).then(|| format!("Bearer {}", secret.reveal())),
        })
    }
}

/// What a receiver answers that does not take a token (RFC 8935, section 2.4).
#[derive(Deserialize)]
struct Problem {
    err: String,
    #[serde(default)]
    description: String,
}

fn told(reply: &Reply) -> Result<String, Failure> {
    if reply.status == 400
        && let Ok(problem) = serde_json::from_slice::<Problem>(&reply.body)
    {
        let (err, description) = (problem.err, problem.description);
        let why = format!("the receiver does not take it: {err}: {description}");
        // It may know the key, or let us in, a little later.
        return Err(match err.as_str() {
            "invalid_key" | "authentication_failed" | "access_denied" => Failure::Again(why),
            _ => Failure::Never(why),
        });
    }
    judged(reply)
}

impl Carrier for SsfPush {
    fn carry(&mut self, parcel: &Parcel<'_>) -> Result<String, Failure> {
        let set = parcel.order.and_then(|order| order.set.as_deref());
        let set = set.ok_or_else(|| Failure::Never("there is no token to push".to_owned()))?;
        let mut headers = vec![
            ("content-type", "application/secevent+jwt"),
            ("accept", "application/json"),
        ];
        headers.extend(self.bearer.as_deref().map(|text| ("authorization", text)));
        let sent = self.http.send("POST", &self.url, &headers, set.as_bytes());
        told(&sent.map_err(|why| Failure::Again(why.to_string()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_explains_itself_is_understood() {
        let reply = |status, body: &str| Reply {
            status,
            body: body.as_bytes().to_vec(),
        };
        assert!(told(&reply(202, "")).is_ok());
        let malformed = told(&reply(
            400,
            r#"{"err":"invalid_request","description":"no"}"#,
        ));
        assert!(matches!(malformed, Err(Failure::Never(why)) if why.contains("invalid_request")));
        let no_key = told(&reply(400, r#"{"err":"invalid_key"}"#));
        assert!(matches!(no_key, Err(Failure::Again(_))));
        assert!(matches!(told(&reply(400, "?")), Err(Failure::Never(_))));
        assert!(matches!(told(&reply(503, "")), Err(Failure::Again(_))));
        assert!(
            matches!(told(&reply(302, "")), Err(Failure::Never(why)) if why.contains("redirects"))
        );
    }
}
