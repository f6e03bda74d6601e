//! What databases and the operator know of an address, added to events before they are published: a later
//! replay of the events gives the same verdicts, whatever the databases say then.
//!
//! Members that the log itself states are kept. Private ranges are known only to the operator.

mod databases;
mod ranges;

pub use databases::{DatabaseError, DatabaseInfo};

use crate::config;
use crate::mutex::lock;
use crate::sources::native::encode::{NativeEvent, NativeSource};
use crate::sources::native::parse_address;
use credwatch_core::event::NetworkKind;
use databases::Databases;
use ranges::Ranges;
use serde_json::Value;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// Addresses whose facts are kept.
const MAX_CACHED: usize = 65_536;

/// What is known of one address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddressFacts {
    /// ISO 3166 code.
    pub country: Option<String>,
    /// Degrees north and east.
    pub position: Option<(f64, f64)>,
    /// Number of the autonomous system.
    pub asn: Option<u32>,
    /// Its name.
    pub operator: Option<String>,
    /// Kind of the network.
    pub kind: Option<NetworkKind>,
    /// Name that the organisation gave it.
    pub name: Option<String>,
}

/// Looks addresses up in databases and configured ranges.
#[derive(Debug)]
pub struct Enricher {
    databases: Databases,
    ranges: Ranges,
    cache: Mutex<HashMap<IpAddr, Arc<AddressFacts>>>,
}

impl Enricher {
    /// Opens what `config` names; `None` where it names nothing.
    ///
    /// # Errors
    /// A database cannot be read.
    pub fn open(config: &config::Enrichment) -> Result<Option<Self>, DatabaseError> {
        if config.databases.is_empty() && config.networks.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            databases: Databases::open(&config.databases)?,
            ranges: Ranges::of(&config.networks),
            cache: Mutex::default(),
        }))
    }

    /// Whether a file of a database was replaced since it was opened.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        self.databases.are_replaced()
    }

    /// The databases in use.
    pub fn databases(&self) -> impl Iterator<Item = &DatabaseInfo> {
        self.databases.infos()
    }

    /// What is known of an address.
    #[must_use]
    pub fn facts(&self, address: IpAddr) -> Arc<AddressFacts> {
        let address = address.to_canonical();
        let mut cache = lock(&self.cache);
        if let Some(facts) = cache.get(&address) {
            return Arc::clone(facts);
        }
        let mut facts = self.databases.facts(address);
        if let Some(network) = self.ranges.find(address) {
            facts.kind = Some(network.kind);
            facts.name.clone_from(&network.name);
        }
        let facts = Arc::new(facts);
        if cache.len() == MAX_CACHED {
            cache.clear();
        }
        cache.insert(address, Arc::clone(&facts));
        facts
    }

    /// Adds to an event what is known of its address.
    pub fn enrich(&self, event: &mut NativeEvent) {
        let source = event.source.as_mut();
        let Some(source) = source else { return };
        let address = source.ip.as_deref().and_then(parse_address);
        if let Some(address) = address {
            self.enrich_source(source, &self.facts(address));
        }
    }

    fn enrich_source(&self, source: &mut NativeSource, facts: &AddressFacts) {
        if source.country.is_none() {
            source.country.clone_from(&facts.country);
        }
        source.asn = source.asn.or(facts.asn);
        if source.latitude.is_none() && source.longitude.is_none() {
            source.latitude = facts.position.map(|(latitude, _)| latitude);
            source.longitude = facts.position.map(|(_, longitude)| longitude);
        }
        source.network_operator = facts.operator.clone().filter(|_| source.asn == facts.asn);
        source.network_kind = facts.kind.map(NetworkKind::as_str);
        source.network_name.clone_from(&facts.name);
        if *facts != AddressFacts::default() {
            source.network_databases = self.databases.describe();
        }
    }

    /// The native event `json` with what is known of its address; `None` where nothing is to be added.
    #[must_use]
    pub fn enrich_json(&self, json: &[u8]) -> Option<Vec<u8>> {
        let mut event: Value = serde_json::from_slice(json).ok()?;
        let members = event.get_mut("source")?.as_object_mut()?;
        // A program may state `null` for what its log does not.
        members.retain(|_, value| !value.is_null());
        let address = members.get("ip")?.as_str().and_then(parse_address)?;
        let number = |name: &str| members.get(name).and_then(Value::as_f64);
        let text = |name: &str| members.get(name)?.as_str().map(str::to_owned);
        let asn = members.get("asn").and_then(Value::as_u64);
        let mut source = NativeSource {
            country: text("country"),
            asn: asn.and_then(|asn| u32::try_from(asn).ok()),
            latitude: number("latitude"),
            longitude: number("longitude"),
            ..NativeSource::default()
        };
        self.enrich_source(&mut source, &self.facts(address));
        let Ok(Value::Object(added)) = serde_json::to_value(source) else {
            return None;
        };
        let before = members.len();
        for (name, value) in added {
            members.entry(name).or_insert(value);
        }
        (members.len() > before).then(|| event.to_string().into_bytes())
    }
}
