//! The native event: one JSON object per record.
//!
//! Text is borrowed, times are RFC 3339 or integer epoch milliseconds, unknown fields are ignored
//! and counted. Limits: [`RECORD_BYTES`], [`ID_BYTES`], [`TEXT_BYTES`], [`SCOPES`], 128 levels of
//! nesting.

pub mod encode;

use crate::sources::json_object::{JsonFault, Str, object, parse_record};
use crate::sources::time::parse_rfc3339;
use crate::token_redaction::Redactor;
use credwatch_core::event::{
    Activity, Credential, CredentialKind, Event, Identity, IdentityKind, Network, NetworkKind,
    Outcome, Source, Text,
};
use credwatch_core::units::EventTime;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// Maximum size of a record, in bytes.
pub const RECORD_BYTES: usize = 256 * 1024;
/// Maximum length of the id of an identity or event, and of a group, owner or issuer, in bytes.
pub const ID_BYTES: usize = 1_024;
/// Maximum length of other texts, in bytes.
pub const TEXT_BYTES: usize = 8_192;
/// Maximum number of scopes of a credential.
pub const SCOPES: usize = 256;

/// Why a record is not a native event.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// Over the size limit.
    #[error("record of {0} bytes is over the limit of {RECORD_BYTES}: send one event per record")]
    TooLarge(usize),
    /// Not JSON of the right form.
    #[error("not a native event: {0}")]
    Json(#[from] JsonFault),
    /// A required field is missing.
    #[error("field `{0}` is missing")]
    Missing(&'static str),
    /// A field is empty.
    #[error("field `{0}` is empty")]
    Empty(&'static str),
    /// A field is too long.
    #[error("field `{field}` is longer than {limit} bytes")]
    TooLong {
        /// Field.
        field: &'static str,
        /// Limit.
        limit: usize,
    },
    /// A field has an unknown value.
    #[error("field `{field}` is not one of: {permitted}")]
    Word {
        /// Field.
        field: &'static str,
        /// Permitted values.
        permitted: String,
    },
    /// A time is not RFC 3339 or epoch milliseconds, or far outside the present.
    #[error("field `time` is outside the years 2000 to 2099")]
    Time,
}

object! {
    /// The whole record.
    Record {
        event_id: Str<'de> = "event_id",
        time: Moment = "time",
        time_source: Str<'de> = "time_source",
        identity: IdentityObject<'de> = "identity",
        credential: CredentialObject<'de> = "credential",
        activity: Str<'de> = "activity",
        action: Str<'de> = "action",
        resource: Str<'de> = "resource",
        source: SourceObject<'de> = "source",
        purpose: Str<'de> = "purpose",
        outcome: Str<'de> = "outcome",
    }
}

object! {
    IdentityObject {
        id: Str<'de> = "id",
        kind: Str<'de> = "kind",
        group: Str<'de> = "group",
        owner: Str<'de> = "owner",
    }
}

object! {
    CredentialObject {
        id: Str<'de> = "id",
        kind: Str<'de> = "kind",
        issuer: Str<'de> = "issuer",
        issued_at: Moment = "issued_at",
        expires_at: Moment = "expires_at",
        scopes: Vec<Str<'de>> = "scopes",
    }
}

object! {
    SourceObject {
        host: Str<'de> = "host",
        ip: Str<'de> = "ip",
        user_agent: Str<'de> = "user_agent",
        country: Str<'de> = "country",
        asn: u32 = "asn",
        latitude: f64 = "latitude",
        longitude: f64 = "longitude",
        network_kind: Str<'de> = "network_kind",
        network_name: Str<'de> = "network_name",
        network_operator: Str<'de> = "network_operator",
        network_databases: Str<'de> = "network_databases",
    }
}

/// Epoch milliseconds, not yet checked against the range of event time.
#[derive(Debug)]
struct Moment(i64);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MomentVisitor;
        impl Visitor<'_> for MomentVisitor {
            type Value = Moment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time or integer epoch milliseconds")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Moment, E> {
                parse_rfc3339(text)
                    .map(Moment)
                    .ok_or_else(|| E::custom("not an RFC 3339 time"))
            }

            fn visit_i64<E: Error>(self, ms: i64) -> Result<Moment, E> {
                Ok(Moment(ms))
            }

            fn visit_u64<E: Error>(self, ms: u64) -> Result<Moment, E> {
                Ok(Moment(i64::try_from(ms).unwrap_or(i64::MAX)))
            }
        }
        deserializer.deserialize_any(MomentVisitor)
    }
}

/// A decoded record.
#[derive(Debug)]
pub struct Decoded<'r> {
    /// The event. Its id is empty where the record states none; the caller derives it from
    /// its position.
    pub event: Event<'r>,
    /// Number of unknown fields.
    pub unknown_fields: u32,
}

/// Decodes one record, and replaces the secrets in it.
///
/// # Errors
/// The record is malformed; the error is meant for its producer.
pub fn decode<'r>(record: &'r [u8], redactor: &Redactor) -> Result<Decoded<'r>, NativeError> {
    if record.len() > RECORD_BYTES {
        return Err(NativeError::TooLarge(record.len()));
    }
    let raw: Record<'_> = parse_record(record)?;
    let identity = raw.identity.ok_or(NativeError::Missing("identity"))?;
    let source = raw.source.unwrap_or_default();
    let credential = raw.credential.unwrap_or_default();
    let unknown_members = raw.unknown + identity.unknown + source.unknown + credential.unknown;
    let time = raw.time.ok_or(NativeError::Missing("time"))?;
    let activity = raw.activity.ok_or(NativeError::Missing("activity"))?;
    let mut event = Event {
        event_id: text(raw.event_id, "event_id", ID_BYTES)?.unwrap_or_default(),
        time: EventTime::from_epoch_ms(time.0).ok_or(NativeError::Time)?,
        identity: identity_of(identity)?,
        credential: credential_of(credential, redactor)?,
        activity: Activity::parse(&activity.0).ok_or_else(|| word("activity", Activity::ALL))?,
        action: text(raw.action, "action", TEXT_BYTES)?,
        resource: text(raw.resource, "resource", TEXT_BYTES)?,
        source: source_of(source)?,
        purpose: text(raw.purpose, "purpose", TEXT_BYTES)?,
        outcome: match raw.outcome {
            None => Outcome::Success,
            Some(Str(text)) => {
                Outcome::parse(&text).ok_or_else(|| word("outcome", Outcome::ALL))?
            }
        },
    };
    redactor.redact(&mut event, record);
    Ok(Decoded {
        event,
        unknown_fields: unknown_members,
    })
}

#[cold]
fn word<T: fmt::Display>(field: &'static str, permitted: &[T]) -> NativeError {
    let permitted: Vec<String> = permitted.iter().map(ToString::to_string).collect();
    NativeError::Word {
        field,
        permitted: permitted.join(", "),
    }
}

/// An optional text; an empty one counts as absent.
fn text<'r>(
    raw: Option<Str<'r>>,
    field: &'static str,
    limit: usize,
) -> Result<Option<Text<'r>>, NativeError> {
    match raw {
        Some(Str(text)) if text.len() > limit => Err(NativeError::TooLong { field, limit }),
        Some(Str(text)) if text.is_empty() => Ok(None),
        other => Ok(other.map(|Str(text)| text)),
    }
}

fn identity_of(raw: IdentityObject<'_>) -> Result<Identity<'_>, NativeError> {
    let kind = match raw.kind {
        None => IdentityKind::Service,
        Some(Str(text)) => {
            IdentityKind::parse(&text).ok_or_else(|| word("identity.kind", IdentityKind::ALL))?
        }
    };
    let given = raw.id.is_some();
    let missing = || match given {
        true => NativeError::Empty("identity.id"),
        false => NativeError::Missing("identity.id"),
    };
    Ok(Identity {
        id: text(raw.id, "identity.id", ID_BYTES)?.ok_or_else(missing)?,
        kind,
        group: text(raw.group, "identity.group", ID_BYTES)?,
        owner: text(raw.owner, "identity.owner", ID_BYTES)?,
    })
}

/// A credential without id is identified by its other fields; one without fields counts as
/// absent.
fn credential_of<'r>(
    raw: CredentialObject<'r>,
    redactor: &Redactor,
) -> Result<Option<Credential<'r>>, NativeError> {
    let kind = match raw.kind {
        None => None,
        Some(Str(text)) => Some(
            CredentialKind::parse(&text)
                .ok_or_else(|| word("credential.kind", CredentialKind::ALL))?,
        ),
    };
    let scopes = raw.scopes.unwrap_or_default();
    if scopes.len() > SCOPES || scopes.iter().any(|scope| scope.0.len() > TEXT_BYTES) {
        return Err(NativeError::TooLong {
            field: "credential.scopes",
            limit: SCOPES,
        });
    }
    let moment = |raw: Option<Moment>| raw.and_then(|m| EventTime::from_epoch_ms(m.0));
    let credential = Credential {
        id: text(raw.id, "credential.id", TEXT_BYTES)?
            .map(|id| redactor.credential_id(id, kind))
            .unwrap_or_default(),
        kind,
        issuer: text(raw.issuer, "credential.issuer", ID_BYTES)?,
        issued_at: moment(raw.issued_at),
        expires_at: moment(raw.expires_at),
        scopes: scopes.into_iter().map(|Str(text)| text).collect(),
    };
    let says_nothing = credential.id.is_empty()
        && credential.kind.is_none()
        && credential.issuer.is_none()
        && credential.issued_at.is_none()
        && credential.expires_at.is_none()
        && credential.scopes.is_empty();
    Ok((!says_nothing).then_some(credential))
}

fn source_of(raw: SourceObject<'_>) -> Result<Source<'_>, NativeError> {
    let position = raw.latitude.zip(raw.longitude);
    let position = position.filter(|position| is_on_earth(*position));
    let ip = text(raw.ip, "source.ip", ID_BYTES)?;
    let network = Network {
        kind: raw
            .network_kind
            .and_then(|Str(kind)| NetworkKind::parse(&kind)),
        name: text(raw.network_name, "source.network_name", TEXT_BYTES)?,
        operator: text(raw.network_operator, "source.network_operator", TEXT_BYTES)?,
        databases: text(
            raw.network_databases,
            "source.network_databases",
            TEXT_BYTES,
        )?,
    };
    let is_known = network.kind.is_some() || network.name.is_some() || network.operator.is_some();
    let network = is_known.then(|| Box::new(network));
    Ok(Source {
        host: text(raw.host, "source.host", TEXT_BYTES)?,
        ip: ip.as_deref().and_then(parse_address),
        user_agent: text(raw.user_agent, "source.user_agent", TEXT_BYTES)?,
        country: text(raw.country, "source.country", TEXT_BYTES)?,
        asn: raw.asn,
        position,
        network,
    })
}

/// Whether degrees north and east are a position.
#[must_use]
pub fn is_on_earth((latitude, longitude): (f64, f64)) -> bool {
    latitude.abs() <= 90.0 && longitude.abs() <= 180.0
}

/// Parses an IP address as logs write it: with port or zone, in brackets, with leading zeros; the first of a
/// list, which proxies append to. `None` for what is none, such as `unknown`: whoever fails to sign in may
/// choose it, and the event counts all the same.
#[must_use]
pub fn parse_address(text: &str) -> Option<IpAddr> {
    let first = text.split(',').next().unwrap_or_default().trim();
    let bracketed = first
        .strip_prefix('[')
        .and_then(|rest| rest.split(']').next());
    let with_port = || {
        first
            .split_once(':')
            .filter(|(_, port)| !port.contains(':'))
    };
    let bare = bracketed.or_else(|| with_port().map(|(address, _)| address));
    let bare = bare.unwrap_or(first).split('%').next().unwrap_or_default();
    parse_bare_address(bare)
}

fn parse_bare_address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let mut octets = [0u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        let decimal = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        *octet = decimal.then(|| part.parse().ok()).flatten()?;
    }
    parts
        .next()
        .is_none()
        .then_some(IpAddr::V4(Ipv4Addr::from(octets)))
}

#[cfg(test)]
mod tests;
