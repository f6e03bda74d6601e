//! Rejects outbound connections to loopback and private addresses, after name resolution.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Error message for a rejected address.
const PRIVATE_ADDRESS: &str = "the address is loopback or private: set allow_private_addresses";

/// Resolves names, and rejects addresses that must not be contacted.
#[derive(Debug)]
pub(super) struct AddressGuard {
    allow_private_addresses: bool,
    resolver: DefaultResolver,
}

impl AddressGuard {
    pub(super) fn new(allow_private_addresses: bool) -> Self {
        Self {
            allow_private_addresses,
            resolver: DefaultResolver::default(),
        }
    }
}

impl Resolver for AddressGuard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.resolver.resolve(uri, config, timeout)?;
        // One rejected address is enough: the name's other addresses are not trusted either.
        let is_private = found.iter().any(|address| is_private(address.ip()));
        if is_private && !self.allow_private_addresses {
            return Err(Error::Other(PRIVATE_ADDRESS.into()));
        }
        Ok(found)
    }
}

/// Whether an address is loopback, private, shared, link-local or not a unicast
/// address.
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
    // Embedded IPv4 addresses: mapped, compatible, and translated (NAT64, 6to4).
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
    fn private_addresses_are_recognized_in_every_notation() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "239.255.255.250",
            "255.255.255.255",
            "::1",
            "::",
            "fd00::1",
            "fe80::1",
            "ff02::1",
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
}
