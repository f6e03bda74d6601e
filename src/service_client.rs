//! HTTP client of a running service.

use crate::config::Secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A service responds between two batches of events; this limits the wait for one that hangs.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_RESPONSE_BYTES: u64 = 1 << 30;

/// It does not respond, or reports an error.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {why}")]
pub struct ServiceError {
    url: String,
    why: String,
}

impl ServiceError {
    /// An error of the service at `url`.
    #[must_use]
    pub fn new(url: &str, why: &impl ToString) -> Self {
        Self {
            url: url.to_owned(),
            why: why.to_string(),
        }
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// A client of the service at one address.
#[derive(Debug)]
pub struct ServiceClient<'s> {
    url: &'s str,
    token: &'s Secret,
    timeout: Duration,
}

impl<'s> ServiceClient<'s> {
    /// A client of the service at `url`, with its token.
    #[must_use]
    pub fn new(url: &'s str, token: &'s Secret) -> Self {
        Self {
            url: url.trim_end_matches('/'),
            token,
            timeout: RESPONSE_TIMEOUT,
        }
    }

    /// The same, which waits no longer than `timeout` for a response.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Opens the stream at `path`.
    ///
    /// # Errors
    /// The service does not respond, or reports an error.
    pub fn open_stream(&self, path: &str) -> Result<impl std::io::BufRead + use<>, ServiceError> {
        let request = ureq::get(format!("{}{path}", self.url));
        let response = request.header("authorization", self.bearer()).call();
        let response = response.map_err(|error| self.failed(&error))?;
        Ok(std::io::BufReader::new(response.into_body().into_reader()))
    }

    /// Requests `path`; with a body the request is a POST.
    ///
    /// # Errors
    /// The service does not respond, or reports an error.
    pub fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<T, ServiceError> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(self.timeout))
            .http_status_as_error(false)
            .build()
            .into();
        let page = format!("{}{path}", self.url);
        let query = query.iter().copied();
        let sent = match body {
            Some(body) => agent
                .post(page)
                .query_pairs(query)
                .header("authorization", self.bearer())
                .send(body),
            None => agent
                .get(page)
                .query_pairs(query)
                .header("authorization", self.bearer())
                .call(),
        };
        let mut response = sent.map_err(|error| self.failed(&error))?;
        let body = response.body_mut().with_config().limit(MAX_RESPONSE_BYTES);
        let text = body.read_to_string().map_err(|error| self.failed(&error))?;
        if response.status().is_success() {
            return serde_json::from_str(&text)
                .map_err(|error| self.failed(&format!("unexpected response: {error}")));
        }
        let refusal = serde_json::from_str(&text).map(|refusal: Refusal| refusal.error);
        Err(self.failed(&refusal.unwrap_or_else(|_| response.status().to_string())))
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token.reveal())
    }

    fn failed(&self, why: &impl ToString) -> ServiceError {
        ServiceError::new(self.url, why)
    }
}
