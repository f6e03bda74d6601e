//! Encoding of native events, for source adapters and the simulation.

use serde::Serialize;

fn absent<T>(value: &Option<T>) -> bool {
    value.is_none()
}

/// A native event to encode. Field names are those of the format.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NativeEvent {
    /// Unique id.
    #[serde(skip_serializing_if = "absent")]
    pub event_id: Option<String>,
    /// RFC 3339; `None` where its log states none, until that of the record in Kafka is taken.
    #[serde(skip_serializing_if = "absent")]
    pub time: Option<String>,
    /// `record` where the time is that of the record in Kafka.
    #[serde(skip_serializing_if = "absent")]
    pub time_source: Option<&'static str>,
    /// Identity.
    pub identity: NativeIdentity,
    /// Credential.
    #[serde(skip_serializing_if = "absent")]
    pub credential: Option<NativeCredential>,
    /// Activity.
    pub activity: &'static str,
    /// Operation.
    #[serde(skip_serializing_if = "absent")]
    pub action: Option<String>,
    /// Its object.
    #[serde(skip_serializing_if = "absent")]
    pub resource: Option<String>,
    /// Source.
    #[serde(skip_serializing_if = "absent")]
    pub source: Option<NativeSource>,
    /// Declared purpose.
    #[serde(skip_serializing_if = "absent")]
    pub purpose: Option<String>,
    /// Outcome.
    pub outcome: &'static str,
}

/// Identity of a native event.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NativeIdentity {
    /// Id, which is the key of the stream.
    pub id: String,
    /// Kind.
    pub kind: &'static str,
    /// Peer group.
    #[serde(skip_serializing_if = "absent")]
    pub group: Option<String>,
    /// Owner.
    #[serde(skip_serializing_if = "absent")]
    pub owner: Option<String>,
}

/// Credential of a native event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NativeCredential {
    /// Identifier; empty where it is unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Kind; empty where it is unknown.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub kind: &'static str,
    /// Issuer.
    #[serde(skip_serializing_if = "absent")]
    pub issuer: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "absent")]
    pub issued_at: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "absent")]
    pub expires_at: Option<String>,
    /// Scopes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
}

/// Source of a native event.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NativeSource {
    /// Host name.
    #[serde(skip_serializing_if = "absent")]
    pub host: Option<String>,
    /// Address.
    #[serde(skip_serializing_if = "absent")]
    pub ip: Option<String>,
    /// Client's description.
    #[serde(skip_serializing_if = "absent")]
    pub user_agent: Option<String>,
    /// ISO 3166 code.
    #[serde(skip_serializing_if = "absent")]
    pub country: Option<String>,
    /// Autonomous system.
    #[serde(skip_serializing_if = "absent")]
    pub asn: Option<u32>,
    /// Degrees north.
    #[serde(skip_serializing_if = "absent")]
    pub latitude: Option<f64>,
    /// Degrees east.
    #[serde(skip_serializing_if = "absent")]
    pub longitude: Option<f64>,
    /// Kind of the network.
    #[serde(skip_serializing_if = "absent")]
    pub network_kind: Option<&'static str>,
    /// Name that the organisation gave the network.
    #[serde(skip_serializing_if = "absent")]
    pub network_name: Option<String>,
    /// Name of the autonomous system.
    #[serde(skip_serializing_if = "absent")]
    pub network_operator: Option<String>,
    /// Databases that said so, with date and hash.
    #[serde(skip_serializing_if = "absent")]
    pub network_databases: Option<String>,
}

impl NativeEvent {
    /// One line of JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
