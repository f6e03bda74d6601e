//! The configuration file: one struct per section, each key with its type and range.

use super::console::Role;
use super::ranged::{NonEmpty, Positive, Whole, Word};
use crate::feedback::signed_feedback::SignerRole;
use crate::sources::source_format::Format;
use credwatch_core::containment::{Action, Mode};
use credwatch_core::event::{IdentityKind, NetworkKind};
use credwatch_core::verdict::{Severity, SignalName};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) kafka: RawKafka,
    pub(super) topics: RawTopics,
    pub(super) ingest: Vec<RawIngest>,
    pub(super) schema_registry: RawSchemaRegistry,
    pub(super) enrichment: RawEnrichment,
    pub(super) detect: RawDetect,
    pub(super) state: RawState,
    pub(super) containment: RawContainment,
    pub(super) signing: RawSigning,
    pub(super) feedback: RawFeedback,
    pub(super) deliver: RawDeliver,
    pub(super) keycloak: RawKeycloak,
    pub(super) http: RawHttp,
    pub(super) console: RawConsole,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKafka {
    pub(super) bootstrap_servers: NonEmpty,
    pub(super) group_id: NonEmpty,
    pub(super) instance_id: String,
    pub(super) workers: Whole<0, 256>,
    pub(super) commit_interval_ms: Whole<1, 10_000>,
    pub(super) properties: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTopics {
    pub(super) events: NonEmpty,
    pub(super) alerts: NonEmpty,
    pub(super) revocations: NonEmpty,
    pub(super) decisions: NonEmpty,
    pub(super) feedback: NonEmpty,
    pub(super) deadletter: NonEmpty,
    pub(super) baselines: NonEmpty,
    pub(super) sightings: NonEmpty,
    pub(super) instances: NonEmpty,
    pub(super) partitions: Whole<1, 10_000>,
    pub(super) replication: Whole<1, 16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIngest {
    pub(super) topic: NonEmpty,
    pub(super) format: Word<Format>,
    #[serde(default)]
    pub(super) program: String,
    #[serde(default)]
    pub(super) encoding: RawEncoding,
    #[serde(default)]
    pub(super) schema_file: String,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawEncoding {
    #[default]
    Json,
    SchemaRegistry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSchemaRegistry {
    pub(super) url: String,
    pub(super) username: String,
    pub(super) secret_file: String,
    pub(super) ca_file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEnrichment {
    pub(super) databases: Vec<String>,
    pub(super) networks: Vec<RawNetwork>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNetwork {
    #[serde(default)]
    pub(super) name: String,
    pub(super) kind: Word<NetworkKind>,
    #[serde(default)]
    pub(super) ranges: Vec<String>,
    #[serde(default)]
    pub(super) file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDetect {
    pub(super) alerts_per_day: Positive<100_000>,
    pub(super) max_identities: Whole<1, 100_000_000>,
    pub(super) max_sources: Whole<1, 100_000_000>,
    pub(super) disabled_signals: Vec<Word<SignalName>>,
    pub(super) model_file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawState {
    pub(super) checkpoint_secs: Whole<1, 3_600>,
    pub(super) key_file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawContainment {
    pub(super) mode: Word<Mode>,
    pub(super) protected: Vec<String>,
    pub(super) max_per_hour: Whole<0, 1_000_000>,
    pub(super) max_share: Positive<1>,
    pub(super) cooldown_secs: Whole<0, 86_400>,
    pub(super) require_approval_from: String,
    pub(super) exceptions: Vec<RawException>,
    pub(super) policy: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawException {
    pub(super) identity: Option<NonEmpty>,
    pub(super) group: Option<NonEmpty>,
    pub(super) max_action: Word<Action>,
    pub(super) owner: NonEmpty,
    pub(super) justification: NonEmpty,
    pub(super) expires: NonEmpty,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) name: NonEmpty,
    #[serde(default)]
    pub(super) severity: Vec<Word<Severity>>,
    #[serde(default)]
    pub(super) identity: Vec<Word<IdentityKind>>,
    #[serde(default)]
    pub(super) credential: Vec<String>,
    #[serde(default)]
    pub(super) group: Vec<String>,
    #[serde(default)]
    pub(super) technique: Vec<String>,
    pub(super) action: Word<Action>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRetiredKeys {
    pub(super) keys_file: NonEmpty,
    pub(super) retired_at: NonEmpty,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSigning {
    pub(super) key_file: String,
    pub(super) retired: Vec<RawRetiredKeys>,
    pub(super) issuer: String,
    pub(super) audience: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFeedback {
    pub(super) require_signature: bool,
    pub(super) key_file: String,
    pub(super) signers: Vec<RawSigner>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSigner {
    pub(super) name: NonEmpty,
    pub(super) keys_file: NonEmpty,
    #[serde(default = "verdicts_only")]
    pub(super) roles: Vec<SignerRole>,
}

fn verdicts_only() -> Vec<SignerRole> {
    vec![SignerRole::Feedback]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDeliver {
    pub(super) timeout_ms: Whole<10, 600_000>,
    pub(super) attempts: Whole<1, 1_000>,
    pub(super) circuit_failures: Whole<1, 1_000>,
    pub(super) circuit_open_ms: Whole<10, 86_400_000>,
    pub(super) receivers: Vec<RawReceiver>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawReceiverKind {
    Webhook,
    SsfPush,
    SsfPoll,
    Command,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawStream {
    Alerts,
    Orders,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawReceiver {
    pub(super) name: NonEmpty,
    pub(super) kind: RawReceiverKind,
    #[serde(default)]
    pub(super) url: String,
    #[serde(default)]
    pub(super) secret_file: String,
    #[serde(default)]
    pub(super) allow_private_addresses: bool,
    #[serde(default)]
    pub(super) ca_file: String,
    #[serde(default)]
    pub(super) argv: Vec<String>,
    #[serde(default)]
    pub(super) environment: Vec<String>,
    #[serde(default)]
    pub(super) streams: Vec<RawStream>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKeycloak {
    pub(super) realms: Vec<RawRealm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRealm {
    pub(super) name: NonEmpty,
    pub(super) url: NonEmpty,
    pub(super) realm: NonEmpty,
    pub(super) client_id: NonEmpty,
    #[serde(default)]
    pub(super) secret_file: String,
    #[serde(default)]
    pub(super) allow_private_addresses: bool,
    #[serde(default)]
    pub(super) ca_file: String,
    #[serde(default)]
    pub(super) topic: String,
    #[serde(default = "default_poll_interval")]
    pub(super) poll_interval_ms: Whole<10, 3_600_000>,
    #[serde(default)]
    pub(super) execute_orders: bool,
}

fn default_poll_interval() -> Whole<10, 3_600_000> {
    Whole(250)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHttp {
    pub(super) listen: std::net::SocketAddr,
    pub(super) token_file: String,
    pub(super) token: String,
    pub(super) advertised_url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConsole {
    pub(super) max_incidents: Whole<1, 1_000_000>,
    pub(super) session_hours: Whole<1, 720>,
    pub(super) people: Vec<RawPerson>,
    pub(super) proxy_user_header: String,
    pub(super) proxy_secret_file: String,
    pub(super) oidc_issuer: String,
    pub(super) oidc_client_id: String,
    pub(super) oidc_secret_file: String,
    pub(super) oidc_public_url: String,
    pub(super) oidc_roles_claim: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPerson {
    pub(super) name: NonEmpty,
    pub(super) roles: Vec<Role>,
    #[serde(default)]
    pub(super) token_file: String,
}
