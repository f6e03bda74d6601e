//! MMDB files: country, city, autonomous system, and kind of a network, in the shapes of MaxMind, IPinfo and
//! ip-location-db.

use super::AddressFacts;
use credwatch_core::event::NetworkKind;
use maxminddb::{MaxMindDbError, Reader};
use serde_json::Value;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

/// Members that state a kind, the more telling first.
const KINDS: [(&[&str], NetworkKind); 6] = [
    (&["is_tor_exit_node", "tor"], NetworkKind::Tor),
    (&["is_residential_proxy"], NetworkKind::ResidentialProxy),
    (&["relay"], NetworkKind::Relay),
    (
        &["is_anonymous_vpn", "is_public_proxy", "vpn", "proxy"],
        NetworkKind::Vpn,
    ),
    (&["is_hosting_provider", "hosting"], NetworkKind::Hosting),
    (&["mobile", "is_mobile"], NetworkKind::Mobile),
];
/// Members around those of [`KINDS`].
const AROUND: [&str; 3] = ["", "traits", "privacy"];

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It cannot be read.
    #[error("`enrichment.databases` {}: {why}", .path.display())]
    Io {
        /// File.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// Not an MMDB file.
    #[error("`enrichment.databases` {}: no MMDB file: {why}", .path.display())]
    Format {
        /// File.
        path: PathBuf,
        /// Why.
        why: MaxMindDbError,
    },
}

/// Origin of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseInfo {
    /// Type, as the database states it.
    pub kind: String,
    /// Time at which it was built, in seconds since the epoch.
    pub built_secs: u64,
    /// Beginning of its BLAKE3 hash.
    pub hash: String,
}

/// An open database.
struct Database {
    path: PathBuf,
    reader: Reader<Vec<u8>>,
    info: DatabaseInfo,
    stamp: Option<(SystemTime, u64)>,
}

/// Open databases; an earlier one has precedence.
pub(super) struct Databases {
    databases: Vec<Database>,
    description: Option<String>,
}

impl std::fmt::Debug for Databases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.infos()).finish()
    }
}

/// Time and size of a file.
fn stamp(path: &PathBuf) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

impl Database {
    fn open(path: &str) -> Result<Self, DatabaseError> {
        let path = PathBuf::from(path);
        let stamp = stamp(&path);
        let bytes = std::fs::read(&path).map_err(|why| DatabaseError::Io {
            path: path.clone(),
            why,
        })?;
        let hash = blake3::hash(&bytes).to_hex()[..12].to_owned();
        let reader = Reader::from_source(bytes).map_err(|why| DatabaseError::Format {
            path: path.clone(),
            why,
        })?;
        let metadata = reader.metadata();
        let info = DatabaseInfo {
            kind: metadata.database_type.clone(),
            built_secs: metadata.build_epoch,
            hash,
        };
        Ok(Self {
            path,
            reader,
            info,
            stamp,
        })
    }

    /// The record of an address; a damaged one is none.
    fn record(&self, address: IpAddr) -> Option<Value> {
        let found = self.reader.lookup(address).ok()?;
        found.decode().ok().flatten()
    }
}

impl Databases {
    pub(super) fn open(paths: &[String]) -> Result<Self, DatabaseError> {
        let databases = paths.iter().map(|path| Database::open(path));
        let databases = databases.collect::<Result<Vec<_>, _>>()?;
        let describe = |database: &Database| {
            let DatabaseInfo {
                kind,
                built_secs,
                hash,
            } = &database.info;
            format!("{kind} built {built_secs} {hash}")
        };
        let texts: Vec<String> = databases.iter().map(describe).collect();
        Ok(Self {
            description: (!texts.is_empty()).then(|| texts.join("; ")),
            databases,
        })
    }

    pub(super) fn infos(&self) -> impl Iterator<Item = &DatabaseInfo> {
        self.databases.iter().map(|database| &database.info)
    }

    /// Whether a file is there that is not the one that was opened. A missing one may be being replaced.
    pub(super) fn are_replaced(&self) -> bool {
        self.databases.iter().any(|database| {
            let now = stamp(&database.path);
            now.is_some() && now != database.stamp
        })
    }

    /// Names, dates and hashes.
    pub(super) fn describe(&self) -> Option<String> {
        self.description.clone()
    }

    pub(super) fn facts(&self, address: IpAddr) -> AddressFacts {
        let mut facts = AddressFacts::default();
        for database in &self.databases {
            if let Some(record) = database.record(address) {
                add(&mut facts, &record);
            }
        }
        facts
    }
}

/// Adds what `record` states and `facts` do not.
fn add(facts: &mut AddressFacts, record: &Value) {
    let text = |paths: &[&str]| {
        let mut found = paths
            .iter()
            .filter_map(|path| record.pointer(path)?.as_str());
        found.find(|text| !text.is_empty()).map(str::to_owned)
    };
    let degrees = |paths: &[&str]| {
        let mut found = paths.iter().filter_map(|path| record.pointer(path));
        found.find_map(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok()))
    };
    let country = || text(&["/country/iso_code", "/country_code", "/country"]);
    facts.country = facts.country.take().or_else(country);
    let latitude = || degrees(&["/location/latitude", "/latitude", "/lat"]);
    let longitude = || degrees(&["/location/longitude", "/longitude", "/lng"]);
    facts.position = facts.position.or_else(|| latitude().zip(longitude()));
    if facts.asn.is_none() {
        facts.asn = autonomous_system(record);
        let names = ["/autonomous_system_organization", "/as_name", "/traits/isp"];
        facts.operator = text(&names);
    }
    facts.kind = facts.kind.or_else(|| kind(record));
}

fn autonomous_system(record: &Value) -> Option<u32> {
    let paths = [
        "/autonomous_system_number",
        "/traits/autonomous_system_number",
        "/asn",
    ];
    let found = paths.iter().find_map(|path| record.pointer(path))?;
    let stated = found.as_u64().and_then(|number| u32::try_from(number).ok());
    let written = || found.as_str()?.trim_start_matches("AS").parse().ok();
    stated.or_else(written)
}

fn kind(record: &Value) -> Option<NetworkKind> {
    let is_true = |value: &Value| value.as_bool().unwrap_or(value == "true");
    let states = |name: &str| {
        let around = AROUND.iter().map(|around| match *around {
            "" => Some(record),
            around => record.get(around),
        });
        let mut found = around.flatten().filter_map(|object| object.get(name));
        found.any(is_true)
    };
    let found = KINDS
        .iter()
        .find(|(names, _)| names.iter().any(|name| states(name)));
    let by_connection = || {
        let paths = [
            "/connection_type",
            "/traits/connection_type",
            "/traits/user_type",
        ];
        let mut stated = paths
            .iter()
            .filter_map(|path| record.pointer(path)?.as_str());
        stated.find_map(|text| match text.to_ascii_lowercase().as_str() {
            "cellular" => Some(NetworkKind::Mobile),
            "hosting" => Some(NetworkKind::Hosting),
            _ => None,
        })
    };
    found.map(|(_, kind)| *kind).or_else(by_connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts_of(records: &[Value]) -> AddressFacts {
        let mut facts = AddressFacts::default();
        records.iter().for_each(|record| add(&mut facts, record));
        facts
    }

    #[test]
    fn records_of_several_makers_are_read() {
        let maxmind = facts_of(&[
            json!({"country": {"iso_code": "NO"}, "location": {"latitude": 59.9, "longitude": 10.7}}),
            json!({"autonomous_system_number": 2119, "autonomous_system_organization": "Telenor"}),
            json!({"is_anonymous": true, "is_hosting_provider": true, "is_tor_exit_node": true}),
        ]);
        let expected = AddressFacts {
            country: Some("NO".to_owned()),
            position: Some((59.9, 10.7)),
            asn: Some(2_119),
            operator: Some("Telenor".to_owned()),
            kind: Some(NetworkKind::Tor),
            name: None,
        };
        assert_eq!(maxmind, expected);
        let ipinfo = facts_of(&[
            json!({"country": "NO", "asn": "AS2119", "as_name": "Telenor",
            "lat": "59.9", "lng": "10.7", "tor": "true", "hosting": "false"}),
        ]);
        assert_eq!(ipinfo, expected);
        let flat = facts_of(&[json!({"country_code": "NO", "latitude": 59.9, "longitude": 10.7})]);
        assert_eq!(
            (flat.country, flat.position),
            (expected.country, expected.position)
        );
        let cellular = facts_of(&[json!({"traits": {"connection_type": "Cellular"}})]);
        assert_eq!(cellular.kind, Some(NetworkKind::Mobile));
    }

    #[test]
    fn an_earlier_database_has_precedence() {
        let facts = facts_of(&[json!({"country_code": "NO"}), json!({"country_code": "SE"})]);
        assert_eq!(facts.country.as_deref(), Some("NO"));
    }
}
