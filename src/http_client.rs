//! HTTP to others: their certificates are verified, redirects are not followed, answers are cut off, and an
//! address in a private network is refused unless the operator allows it, whatever name it goes by.

use crate::config::Endpoint;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use ureq::config::Config;
use ureq::http::{Request, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

/// What the guard answers where an address is not allowed.
const PRIVATE_ADDRESS: &str =
    "its address is on this machine or in a private network: set allow_private";

/// Why nothing was heard.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// The certificates cannot be read.
    #[error("`ca_file` {path}: {why}")]
    Certificates {
        /// Which file.
        path: String,
        /// Why.
        why: String,
    },
    /// Nobody answered, or not in time, or not as it must.
    #[error("{0}")]
    Failed(String),
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// Whether it is a success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The status and the beginning of the body, for people.
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
    /// A client for `endpoint`, whose answers take no longer than `timeout` and are no larger than
    /// `most_bytes`.
    ///
    /// # Errors
    /// `ca_file` holds no certificates.
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
            // A proxy would look names up by itself, past the guard.
            .proxy(None);
        if !endpoint.ca_file.is_empty() {
            let roots = certificates(&endpoint.ca_file)?;
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        let guard = AddressGuard {
            allows_private: endpoint.allow_private_addresses,
            names: DefaultResolver::default(),
        };
        let connector = DefaultConnector::default();
        Ok(Self {
            agent: Agent::with_parts(config.build(), connector, guard),
            max_bytes: most_bytes,
        })
    }

    /// Sends `body` to `url` and waits for the answer.
    ///
    /// # Errors
    /// Nobody answers in time, or the answer is larger than is taken.
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
        let answered = self.agent.run(request);
        let mut answer = answered.map_err(|why| failed(why.to_string()))?;
        let status = answer.status().as_u16();
        let read = answer
            .body_mut()
            .with_config()
            .limit(self.max_bytes)
            .read_to_vec();
        let body = read.map_err(|why| failed(format!("status {status}, and then: {why}")))?;
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
        return Err(failed("it holds no certificate".to_owned()));
    }
    let own = own
        .iter()
        .map(|der| Certificate::from_der(der.as_ref()).to_owned());
    Ok(RootCerts::new_with_certs(&own.collect::<Vec<_>>()))
}

/// Looks names up, and lets through what may be asked.
#[derive(Debug)]
struct AddressGuard {
    allows_private: bool,
    names: DefaultResolver,
}

impl Resolver for AddressGuard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.names.resolve(uri, config, timeout)?;
        // One that is not allowed is enough: the name is not to be trusted with the others either.
        let is_private = found.iter().any(|address| is_private(address.ip()));
        if is_private && !self.allows_private {
            return Err(Error::Other(PRIVATE_ADDRESS.into()));
        }
        Ok(found)
    }
}

/// Whether an address is on this machine, in a private, shared or link-local network, or none that a
/// receiver can have.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => is_private_v6(v6),
    }
}

fn is_private_v4(v4: Ipv4Addr) -> bool {
    let [first, second, ..] = v4.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_broadcast()
        || first == 0
        || first >= 240
        || is_shared
}

fn is_private_v6(v6: Ipv6Addr) -> bool {
    let segments = v6.segments();
    // What an IPv4 address hides behind: mapped, compatible, and translated (NAT64, 6to4).
    let embedded = match segments {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some((high, low))
        }
        [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    let embedded = embedded.map(|(high, low)| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    });
    v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_multicast()
        || segments[0] & 0xfe00 == 0xfc00
        || segments[0] & 0xffc0 == 0xfe80
        || embedded.is_some_and(is_private_v4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_disguise() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "::1",
            "::",
            "fd00::1",
            "fe80::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "100.128.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
        ] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn the_guard_refuses_before_anything_is_sent() {
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
