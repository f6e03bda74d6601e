//! Configured address ranges: the longest that contains an address counts.

use crate::config::KnownNetwork;
use credwatch_core::event::NetworkKind;
use ipnet::IpNet;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// A network of a range.
#[derive(Debug)]
pub(super) struct NamedNetwork {
    pub(super) kind: NetworkKind,
    pub(super) name: Option<String>,
}

/// Ranges by the length of their prefix.
#[derive(Debug, Default)]
pub(super) struct Ranges(BTreeMap<u8, HashMap<IpNet, Arc<NamedNetwork>>>);

impl Ranges {
    pub(super) fn of(networks: &[KnownNetwork]) -> Self {
        let mut by_length: BTreeMap<u8, HashMap<IpNet, Arc<NamedNetwork>>> = BTreeMap::new();
        for network in networks {
            let named = Arc::new(NamedNetwork {
                kind: network.kind,
                name: network.name.clone(),
            });
            for range in &network.ranges {
                let of_length = by_length.entry(range.prefix_len()).or_default();
                of_length.entry(range.trunc()).or_insert(Arc::clone(&named));
            }
        }
        Self(by_length)
    }

    /// The network of an address. Cost: one look-up for each length of a prefix.
    pub(super) fn find(&self, address: IpAddr) -> Option<&NamedNetwork> {
        self.0.iter().rev().find_map(|(length, ranges)| {
            let range = IpNet::new(address, *length).ok()?;
            ranges.get(&range.trunc()).map(|network| &**network)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_range_counts() {
        let network = |kind, name: &str, range: &str| KnownNetwork {
            kind,
            name: Some(name.to_owned()),
            ranges: vec![range.parse().unwrap()],
        };
        let ranges = Ranges::of(&[
            network(NetworkKind::Hosting, "wide", "198.51.0.0/16"),
            network(NetworkKind::Owned, "office", "198.51.100.0/24"),
            network(NetworkKind::Vpn, "six", "2001:db8::/32"),
        ]);
        let found = |address: &str| ranges.find(address.parse().unwrap())?.name.clone();
        assert_eq!(found("198.51.100.7").as_deref(), Some("office"));
        assert_eq!(found("198.51.101.7").as_deref(), Some("wide"));
        assert_eq!(found("2001:db8::1").as_deref(), Some("six"));
        assert_eq!(found("192.0.2.1"), None);
    }
}
