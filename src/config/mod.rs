//! Settings: TOML → validated values, with all problems reported at once.
//!
//! The embedded, commented default defines the schema: a key that it does not contain is
//! unknown.

mod console;
mod containment;
mod ingest;
mod listed;
mod merge;
mod ranged;
mod raw;
mod receivers;
mod secret;
mod validate;

pub use console::{ConsoleOidc, ConsolePerson, ConsoleProxy, ConsoleSettings, Role};
pub use ingest::{Encoding, Enrichment, Ingest, KnownNetwork, SchemaRegistrySettings};
pub use listed::ListedSetting;
pub use merge::Sources;
pub use receivers::{Deliver, Endpoint, Feedback, Realm, Receiver, ReceiverKind};
pub use secret::Secret;

use crate::crypto::Signer;
use crate::token_redaction::Redactor;
use credwatch_core::containment::guardrail::Guardrails;
use credwatch_core::containment::policy::Policy;
use credwatch_core::verdict::{EntityView, SignalName};
use merge::Merged;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The commented default configuration.
pub const DEFAULT: &str = include_str!("../../config/default.toml");

/// Problems found so far, one line each.
type Problems = Vec<String>;

/// All problems of the settings.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct ConfigError {
    /// One line per problem.
    pub problems: Vec<String>,
}

/// Connection to Kafka.
#[derive(Clone, Debug)]
pub struct Kafka {
    /// Initial brokers.
    pub bootstrap_servers: String,
    /// Prefix of the consumer groups.
    pub group_id: String,
    /// Part of transactional ids.
    pub instance_id: String,
    /// Threads of the detect stage.
    pub workers: usize,
    /// Longest time between commits, in milliseconds.
    pub commit_interval_ms: u64,
    /// Passed through to librdkafka.
    pub properties: BTreeMap<String, String>,
}

/// Names of topics.
#[derive(Clone, Debug)]
pub struct Topics {
    /// Events, keyed by identity.
    pub events: String,
    /// Alerts.
    pub alerts: String,
    /// Containment orders.
    pub revocations: String,
    /// Audit trail.
    pub decisions: String,
    /// Feedback of analysts and executors.
    pub feedback: String,
    /// Rejected records.
    pub deadletter: String,
    /// Stored baselines.
    pub baselines: String,
    /// Sightings: authentications keyed by source network.
    pub sightings: String,
    /// Addresses of instances.
    pub instances: String,
    /// Number of partitions of topics to create.
    pub partitions: i32,
    /// Replication factor of topics to create.
    pub replication: i32,
}

impl Topics {
    /// The input topic of shards of the view `entity`.
    #[must_use]
    pub fn input_topic(&self, entity: EntityView) -> &str {
        match entity {
            EntityView::Identity => &self.events,
            EntityView::Source => &self.sightings,
        }
    }
}

/// Detection.
#[derive(Clone, Debug)]
pub struct Detect {
    /// Alert budget per day, over all partitions.
    pub alerts_per_day: f64,
    /// Maximum number of identities, over all partitions.
    pub max_identities: usize,
    /// Maximum number of source networks, over all partitions.
    pub max_sources: usize,
    /// Signals that do not contribute to scores.
    pub disabled_signals: Vec<SignalName>,
    /// Model parameters; `None` for the embedded ones.
    pub model_file: Option<String>,
}

/// The HTTP server.
#[derive(Clone, Debug)]
pub struct Http {
    /// Listen address.
    pub listen: std::net::SocketAddr,
    /// Bearer token for `/v1`; empty: `/v1` is disabled.
    pub token: Secret,
    /// Where other instances reach this one; empty: they do not.
    pub advertised_url: String,
}

/// Validated settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Connection to Kafka.
    pub kafka: Kafka,
    /// Names of topics.
    pub topics: Topics,
    /// Raw topics.
    pub ingest: Vec<Ingest>,
    /// Where schemas of records are.
    pub schema_registry: SchemaRegistrySettings,
    /// What is known of networks.
    pub enrichment: Enrichment,
    /// Detection.
    pub detect: Detect,
    /// Interval between checkpoints.
    pub checkpoint_interval: Duration,
    /// Secret that authenticates stored baselines; empty: none.
    pub state_secret: Secret,
    /// Replaces secrets in events, keyed by `state_secret`.
    pub redactor: Redactor,
    /// Containment policy.
    pub policy: Arc<Policy>,
    /// Limits on containment, over all partitions.
    pub guardrails: Guardrails,
    /// Key that orders are signed with; `None`: unsigned.
    pub signer: Option<Arc<Signer>>,
    /// Verification and signing of feedback.
    pub feedback: Feedback,
    /// Receivers of alerts and orders.
    pub deliver: Deliver,
    /// Realms of Keycloak.
    pub realms: Vec<Realm>,
    /// The HTTP server.
    pub http: Http,
    /// The console.
    pub console: ConsoleSettings,
    /// All settings, without secrets.
    pub listed: Vec<ListedSetting>,
    /// Hash of all settings that affect decisions.
    pub hash: String,
}

impl Config {
    /// Merges the default with `sources` and validates the result.
    ///
    /// # Errors
    /// All problems, at once.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let merged = Merged::new(DEFAULT, sources);
        let defaults = merged.default.clone();
        let (raw, table, mut problems) = merged.into_typed();
        let listed = listed::listed(&table, &defaults);
        let hash = validate::configuration_hash(&table);
        let config = raw.map(|raw| validate::validate(raw, hash, listed, &mut problems));
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(ConfigError { problems }),
        }
    }

    /// Lists the setting `key` with a value that it was given after loading.
    pub fn list(&mut self, key: &str, value: &str) {
        for line in self.listed.iter_mut().filter(|line| line.key == key) {
            line.default = Some(std::mem::replace(&mut line.value, value.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(file: &str, environment: &[(&str, &str)]) -> Sources {
        Sources {
            files: vec![("mine.toml".to_owned(), file.to_owned())],
            environment: environment
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        }
    }

    fn problems(file: &str) -> Vec<String> {
        Config::load(&sources(file, &[])).unwrap_err().problems
    }

    #[test]
    fn the_default_is_valid_and_safe() {
        let config = Config::load(&Sources::default()).unwrap();
        assert_eq!(
            config.guardrails.mode,
            credwatch_core::containment::Mode::DryRun
        );
        assert!(config.http.listen.ip().is_loopback());
        assert_eq!(config.ingest.len(), 1);
    }

    #[test]
    fn several_problems_are_reported_at_once() {
        let file = "[detect]\nalerts_per_day = -1.0\nmax_identites = 5\n[kafka]\ngroup_id = 7\n";
        let problems = problems(file);
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(
            problems
                .iter()
                .any(|p| p.contains("detect.max_identites") && p.contains("unknown"))
        );
        assert!(
            problems
                .iter()
                .any(|p| p.contains("kafka.group_id") && p.contains("string"))
        );
        assert!(problems.iter().any(|p| p.contains("detect.alerts_per_day")));
    }

    #[test]
    fn the_environment_wins_over_files() {
        let config = Config::load(&sources(
            "[kafka]\nbootstrap_servers = \"a:1\"\n[detect]\nalerts_per_day = 2\n",
            &[
                ("CREDWATCH_KAFKA__BOOTSTRAP_SERVERS", "b:2"),
                ("CREDWATCH_TOPICS__PARTITIONS", "12"),
                ("CREDWATCH_KAFKA__PROPERTIES__SECURITY_PROTOCOL", "SASL_SSL"),
                ("CREDWATCH_CONTAINMENT__PROTECTED", "[\"root\"]"),
                ("HOME", "/root"),
            ],
        ))
        .unwrap();
        assert_eq!(config.kafka.bootstrap_servers, "b:2");
        assert_eq!(config.topics.partitions, 12);
        assert_eq!(config.kafka.properties["security.protocol"], "SASL_SSL");
        assert!((config.detect.alerts_per_day - 2.0).abs() < 1e-12);
        assert!(config.guardrails.protected.contains("root"));
    }

    #[test]
    fn an_unknown_variable_with_the_prefix_is_an_error() {
        let error = Config::load(&sources("", &[("CREDWATCH_KAFKA__BOOTSTRAP", "x")])).unwrap_err();
        assert!(error.to_string().contains("CREDWATCH_KAFKA__BOOTSTRAP"));
    }

    #[test]
    fn enforcement_without_signatures_is_rejected() {
        let error = problems("[containment]\nmode = \"enforce\"\n");
        assert!(error[0].contains("containment.mode") && error[0].contains("signing.key_file"));
        let error = problems("[signing]\nkey_file = \"/nowhere.pem\"\n");
        assert!(
            error.iter().any(|p| p.contains("signing.issuer")),
            "{error:?}"
        );
        assert!(
            error.iter().any(|p| p.contains("/nowhere.pem")),
            "{error:?}"
        );
    }

    #[test]
    fn broken_toml_names_the_file_and_line() {
        let problems = problems("[kafka\n");
        assert!(problems[0].contains("mine.toml") && problems[0].contains("line 1"));
    }
}
