//! Raw topics, how their records are read, and what is known of networks.

use super::ranged::Word;
use super::raw::{RawEncoding, RawEnrichment, RawIngest, RawNetwork, RawSchemaRegistry};
use super::secret::read_secret;
use super::{Endpoint, Problems, Realm};
use crate::sources::jq::JqProgram;
use crate::sources::source_format::Format;
use credwatch_core::event::NetworkKind;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

/// A raw topic, mapped to events.
#[derive(Clone, Debug)]
pub struct Ingest {
    /// Topic.
    pub topic: String,
    /// Its format.
    pub format: Format,
    /// The program that maps its records, for the format `jq`.
    pub program: Option<Arc<JqProgram>>,
    /// Encoding of its records.
    pub encoding: Encoding,
}

/// Encoding of the records of a raw topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// JSON, or lines of text.
    #[default]
    Json,
    /// With the id of a schema, which the registry knows.
    Registry,
    /// With the id of a schema, for which the file stands.
    File(String),
}

/// A schema registry.
#[derive(Clone, Debug, Default)]
pub struct SchemaRegistrySettings {
    /// Its address and secret; an empty URL is none.
    pub endpoint: Endpoint,
    /// Name for basic authentication; empty: the secret is a bearer token.
    pub username: String,
}

/// What is known of networks.
#[derive(Clone, Debug, Default)]
pub struct Enrichment {
    /// MMDB files.
    pub databases: Vec<String>,
    /// Networks by address range. Among ranges that contain an address the longest counts.
    pub networks: Vec<KnownNetwork>,
}

/// Address ranges of one network.
#[derive(Clone, Debug)]
pub struct KnownNetwork {
    /// Kind.
    pub kind: NetworkKind,
    /// Name, as people of the organisation know it.
    pub name: Option<String>,
    /// Ranges.
    pub ranges: Vec<IpNet>,
}

/// The named topics, and those to which Keycloak events are published.
pub(super) fn ingest(
    raw: Vec<RawIngest>,
    realms: &[Realm],
    has_registry: bool,
    problems: &mut Problems,
) -> Vec<Ingest> {
    let mut ingest: Vec<Ingest> = raw
        .into_iter()
        .map(|raw| topic(raw, has_registry, problems))
        .collect();
    for realm in realms.iter().filter(|realm| !realm.topic.is_empty()) {
        if ingest.iter().all(|known| known.topic != realm.topic) {
            ingest.push(Ingest {
                topic: realm.topic.clone(),
                format: Format::Keycloak,
                program: None,
                encoding: Encoding::Json,
            });
        }
    }
    ingest
}

fn topic(raw: RawIngest, has_registry: bool, problems: &mut Problems) -> Ingest {
    let (topic, format) = (raw.topic.0, raw.format.0);
    let mut problem = |text: &str| problems.push(format!("`ingest` of \"{topic}\": {text}"));
    let program = match (format, raw.program.as_str()) {
        (Format::Jq, "") => {
            problem("the format jq requires `program`, the file of a jq program");
            None
        }
        (Format::Jq, path) => match JqProgram::open(path) {
            Ok(program) => Some(Arc::new(program)),
            Err(error) => {
                problem(&error.to_string());
                None
            }
        },
        (_, "") => None,
        _ => {
            problem("`program` is for the format jq");
            None
        }
    };
    let encoding = match (raw.encoding, raw.schema_file.as_str()) {
        (RawEncoding::Json, "") => Encoding::Json,
        (RawEncoding::Json, _) => {
            problem("`schema_file` is for `encoding = \"schema_registry\"`");
            Encoding::Json
        }
        (RawEncoding::SchemaRegistry, "") => {
            if !has_registry {
                problem(
                    "`encoding = \"schema_registry\"` requires `schema_registry.url` or `schema_file`",
                );
            }
            Encoding::Registry
        }
        (RawEncoding::SchemaRegistry, path) => Encoding::File(path.to_owned()),
    };
    Ingest {
        topic,
        format,
        program,
        encoding,
    }
}

pub(super) fn schema_registry(
    raw: RawSchemaRegistry,
    problems: &mut Problems,
) -> SchemaRegistrySettings {
    SchemaRegistrySettings {
        endpoint: Endpoint {
            url: raw.url,
            secret: read_secret("schema_registry.secret_file", &raw.secret_file, problems),
            // A registry stands beside the brokers.
            allow_private_addresses: true,
            ca_file: raw.ca_file,
        },
        username: raw.username,
    }
}

pub(super) fn enrichment(raw: RawEnrichment, problems: &mut Problems) -> Enrichment {
    let networks = raw.networks.into_iter();
    Enrichment {
        networks: networks.map(|raw| network(raw, problems)).collect(),
        databases: raw.databases,
    }
}

fn network(raw: RawNetwork, problems: &mut Problems) -> KnownNetwork {
    let mut texts = raw.ranges;
    if !raw.file.is_empty() {
        match std::fs::read_to_string(&raw.file) {
            Ok(text) => texts.extend(lines(&text)),
            Err(why) => problems.push(format!("`enrichment.networks.file` {}: {why}", raw.file)),
        }
    }
    let mut ranges = Vec::with_capacity(texts.len());
    for text in texts {
        match parse_range(&text) {
            Some(range) => ranges.push(range),
            None => problems.push(format!(
                "`enrichment.networks`: \"{text}\" is no address range such as 192.0.2.0/24"
            )),
        }
    }
    let Word(kind) = raw.kind;
    KnownNetwork {
        kind,
        name: Some(raw.name).filter(|name| !name.is_empty()),
        ranges,
    }
}

/// The ranges of a list, one a line, with comments after `#`.
fn lines(text: &str) -> impl Iterator<Item = String> {
    let line = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
    text.lines().map(line).filter(|line| !line.is_empty())
}

/// A range, or a single address.
fn parse_range(text: &str) -> Option<IpNet> {
    let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(single)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_ranges_addresses_and_comments() {
        let text = "# Tor exits\n198.51.100.7\n\n2001:db8::/32 # a range\n";
        let ranges: Vec<IpNet> = lines(text).filter_map(|line| parse_range(&line)).collect();
        assert_eq!(ranges[0].to_string(), "198.51.100.7/32");
        assert_eq!(ranges[1].to_string(), "2001:db8::/32");
        assert_eq!(parse_range("198.51.100.0/33"), None);
    }
}
