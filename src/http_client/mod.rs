//! HTTP client: certificates are verified, redirects are not followed, response size and time are limited,
//! and addresses in private networks are rejected unless the operator permits them.

pub mod address_guard;

use crate::config::Endpoint;
use address_guard::AddressGuard;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::time::Duration;
use ureq::Agent;
use ureq::http::Request;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// The certificates cannot be read.
    #[error("`ca_file` {path}: {why}")]
    Certificates {
        /// File.
        path: String,
        /// Reason.
        why: String,
    },
    /// No response, a late one, or an invalid one.
    #[error("{0}")]
    Failed(String),
}

/// A response.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// Whether the status is 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The status and the beginning of the body, for logs.
    #[must_use]
    pub fn summary(&self) -> String {
        let body = &self.body[..self.body.len().min(200)];
        let text: String = String::from_utf8_lossy(body)
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        format!("status {} {}", self.status, text.trim())
            .trim()
            .to_owned()
    }
}

/// A client for one endpoint.
#[derive(Debug)]
pub struct HttpClient {
    agent: Agent,
    max_bytes: u64,
}

impl HttpClient {
    /// A client for `endpoint`, whose responses are limited to `timeout` and
    /// `max_bytes`.
    ///
    /// # Errors
    /// `ca_file` contains no certificates.
    pub fn new(
        endpoint: &Endpoint,
        timeout: Duration,
        most_bytes: u64,
    ) -> Result<Self, HttpClientError> {
        let mut config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("credwatch/", env!("CARGO_PKG_VERSION")))
            // A proxy would resolve names itself, bypassing the guard.
            .proxy(None);
        if !endpoint.ca_file.is_empty() {
            let roots = certificates(&endpoint.ca_file)?;
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        let guard = AddressGuard::new(endpoint.allow_private_addresses);
        let connector = DefaultConnector::default();
        Ok(Self {
            agent: Agent::with_parts(config.build(), connector, guard),
            max_bytes: most_bytes,
        })
    }

    /// Sends `body` to `url` and returns the response.
    ///
    /// # Errors
    /// No response in time, or one that is too large.
    pub fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<HttpResponse, HttpClientError> {
        let failed = |why: String| HttpClientError::Failed(why);
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).map_err(|why| failed(why.to_string()))?;
        let response_result = self.agent.run(request);
        let mut response = response_result.map_err(|why| failed(why.to_string()))?;
        let status = response.status().as_u16();
        let read = response
            .body_mut()
            .with_config()
            .limit(self.max_bytes)
            .read_to_vec();
        let body = read.map_err(|why| failed(format!("status {status}, then: {why}")))?;
        Ok(HttpResponse { status, body })
    }
}

fn certificates(path: &str) -> Result<RootCerts, HttpClientError> {
    let failed = |why: String| HttpClientError::Certificates {
        path: path.to_owned(),
        why,
    };
    let found = CertificateDer::pem_file_iter(path).map_err(|why| failed(why.to_string()))?;
    let own: Result<Vec<_>, _> = found.collect();
    let own = own.map_err(|why| failed(why.to_string()))?;
    if own.is_empty() {
        return Err(failed("contains no certificate".to_owned()));
    }
    let own = own
        .iter()
        .map(|der| Certificate::from_der(der.as_ref()).to_owned());
    Ok(RootCerts::new_with_certs(&own.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_rejects_before_anything_is_sent() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = HttpClient::new(&Endpoint::default(), Duration::from_secs(5), 100).unwrap();
        for host in ["127.0.0.1", "localhost"] {
            let url = format!("http://{host}:{port}/");
            let error = client.send("POST", &url, &[], b"secret").unwrap_err();
            assert!(error.to_string().contains("allow_private"), "{error}");
        }
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "nobody connected");
    }
}
