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

/// IPv4 networks that are not globally reachable: the IANA IPv4 Special-Purpose Address Registry, multicast
/// and class E.
const SPECIAL_V4: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// IPv6 networks that are not globally reachable: the IANA IPv6 Special-Purpose Address Registry, site-local
/// (RFC 3879), multicast, and those that embed an IPv4 address.
const SPECIAL_V6: [([u16; 8], u32); 14] = [
    ([0, 0, 0, 0, 0, 0, 0, 0], 96),
    ([0, 0, 0, 0, 0, 0xffff, 0, 0], 96),
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 48),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
];

/// Whether an address is not globally reachable.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => SPECIAL_V4.iter().any(|(network, bits)| {
            let differing = u32::from(v4) ^ u32::from(Ipv4Addr::from(*network));
            differing.leading_zeros() >= *bits
        }),
        IpAddr::V6(v6) => SPECIAL_V6.iter().any(|(network, bits)| {
            let differing = u128::from(v6) ^ u128::from(Ipv6Addr::from(*network));
            differing.leading_zeros() >= *bits
        }),
    }
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
            "198.18.0.1",
            "198.19.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b:1::1",
            "fec0::1",
            "2001::1",
            "192.0.2.7",
            "240.0.0.1",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "100.128.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "198.20.0.1",
        ] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }
}
