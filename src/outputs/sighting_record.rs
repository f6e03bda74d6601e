//! Sightings (`credential.sightings`): one authentication under its source; one JSON object per record, keyed
//! by the network. Beside them, [`RetentionGap`]s that the ingest stage found, for the audit trail of the
//! shard that reads them: ingest has no trail of its own. Written and read by credwatch only.

use crate::outputs::retention_gap::RetentionGap;
use crate::sources::json_object::{JsonFault, Str, parse_record};
use credwatch_core::enrich::source_network;
use credwatch_core::event::{
    Activity, Credential, CredentialKind, Event, Identity, IdentityKind, Outcome,
};
use credwatch_core::sighting::Sighting;
use credwatch_core::units::EventTime;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Why a record is not a sighting.
#[derive(Debug, thiserror::Error)]
pub enum SightingError {
    /// Not JSON of the right form.
    #[error("not a sighting: {0}; the sightings topic must be written by credwatch only")]
    Json(#[from] JsonFault),
    /// A field has an invalid value.
    #[error(
        "not a sighting: field `{0}` is invalid; the sightings topic must be written by credwatch only"
    )]
    Field(&'static str),
}

#[derive(Serialize, Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    event_id: Str<'a>,
    /// Epoch milliseconds.
    time: i64,
    #[serde(borrow)]
    network: Str<'a>,
    #[serde(borrow)]
    identity: IdentityRecord<'a>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    credential: Option<CredentialRecord<'a>>,
    #[serde(borrow)]
    outcome: Str<'a>,
    is_known_source: bool,
    position: (i32, i64),
}

#[derive(Serialize, Deserialize)]
struct IdentityRecord<'a> {
    #[serde(borrow)]
    id: Str<'a>,
    #[serde(borrow)]
    kind: Str<'a>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    group: Option<Str<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    owner: Option<Str<'a>>,
}

#[derive(Serialize, Deserialize)]
struct CredentialRecord<'a> {
    #[serde(borrow)]
    id: Str<'a>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    kind: Option<Str<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    issuer: Option<Str<'a>>,
}

fn borrowed(text: &str) -> Str<'_> {
    Str(Cow::Borrowed(text))
}

/// Network and record of `event`, which was read at `position`; `None` where it is not an authentication, or
/// states no address.
#[must_use]
pub fn of_event(
    event: &Event<'_>,
    is_known_source: bool,
    position: (i32, i64),
) -> Option<(String, Vec<u8>)> {
    if event.activity != Activity::Authenticate {
        return None;
    }
    let network = source_network(event)?;
    let (identity, credential) = (&event.identity, event.credential.as_ref());
    let record = Record {
        event_id: borrowed(&event.event_id),
        time: event.time.epoch_ms(),
        network: borrowed(&network),
        identity: IdentityRecord {
            id: borrowed(&identity.id),
            kind: borrowed(identity.kind.as_str()),
            group: identity.group.as_deref().map(borrowed),
            owner: identity.owner.as_deref().map(borrowed),
        },
        credential: credential.map(|credential| CredentialRecord {
            id: borrowed(&credential.id),
            kind: credential.kind.map(|kind| borrowed(kind.as_str())),
            issuer: credential.issuer.as_deref().map(borrowed),
        }),
        outcome: borrowed(event.outcome.as_str()),
        is_known_source,
        position,
    };
    let record = serde_json::to_vec(&record).ok()?;
    Some((network, record))
}

/// How the record of a retention gap begins.
const GAP_PREFIX: &[u8] = br#"{"retention_gap":"#;

#[derive(Serialize, Deserialize)]
struct GapRecord {
    retention_gap: RetentionGap,
}

/// The record of `gap`.
#[must_use]
pub fn of_retention_gap(gap: &RetentionGap) -> Vec<u8> {
    let retention_gap = gap.clone();
    serde_json::to_vec(&GapRecord { retention_gap }).unwrap_or_default()
}

/// The retention gap of a record; `None` for a sighting.
#[must_use]
pub fn retention_gap(record: &[u8]) -> Option<RetentionGap> {
    if !record.starts_with(GAP_PREFIX) {
        return None;
    }
    let record: GapRecord = serde_json::from_slice(record).ok()?;
    Some(record.retention_gap)
}

/// Parses one record.
///
/// # Errors
/// It is not a sighting.
pub fn decode(record: &[u8]) -> Result<Sighting<'_>, SightingError> {
    let raw: Record<'_> = parse_record(record)?;
    let field = SightingError::Field;
    Ok(Sighting {
        event_id: raw.event_id.0,
        time: EventTime::from_epoch_ms(raw.time).ok_or(field("time"))?,
        network: raw.network.0,
        identity: Identity {
            kind: IdentityKind::parse(&raw.identity.kind.0).ok_or(field("identity.kind"))?,
            id: raw.identity.id.0,
            group: raw.identity.group.map(|group| group.0),
            owner: raw.identity.owner.map(|owner| owner.0),
        },
        credential: raw.credential.map(credential_of).transpose()?,
        outcome: Outcome::parse(&raw.outcome.0).ok_or(field("outcome"))?,
        is_known_source: raw.is_known_source,
        position: raw.position,
    })
}

fn credential_of(raw: CredentialRecord<'_>) -> Result<Credential<'_>, SightingError> {
    let unknown = || SightingError::Field("credential.kind");
    let kind = raw.kind.as_ref();
    let kind = kind.map(|kind| CredentialKind::parse(&kind.0).ok_or_else(unknown));
    Ok(Credential {
        kind: kind.transpose()?,
        id: raw.id.0,
        issuer: raw.issuer.map(|issuer| issuer.0),
        issued_at: None,
        expires_at: None,
        scopes: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::native;
    use crate::token_redaction::Redactor;

    const EVENT: &str = r#"{"event_id":"e\"1","time":"2026-11-23T10:15:30.123Z",
        "identity":{"id":"ada","kind":"human","group":"ops"},
        "credential":{"id":"pw-1","kind":"password","issuer":"idp"},
        "activity":"authenticate","source":{"ip":"203.0.113.9"},"outcome":"failure"}"#;

    #[test]
    fn a_written_sighting_is_read_back() {
        let event = native::decode(EVENT.as_bytes(), &Redactor::default())
            .unwrap()
            .event;
        let (network, record) = of_event(&event, true, (3, 12)).unwrap();
        let sighting = decode(&record).unwrap();
        assert_eq!(
            (network.as_str(), &*sighting.network),
            ("203.0.113.0/24", "203.0.113.0/24")
        );
        assert_eq!(
            (&*sighting.event_id, &*sighting.identity.id),
            ("e\"1", "ada")
        );
        let group = sighting.identity.group.as_ref();
        assert!(
            matches!(group, Some(Cow::Borrowed("ops"))),
            "decoding borrows"
        );
        assert_eq!(sighting.outcome, Outcome::Failure);
        assert_eq!(
            sighting.credential.as_ref().unwrap().kind,
            Some(CredentialKind::Password)
        );
        assert_eq!(sighting.position, (3, 12));
        assert!(sighting.is_known_source);
    }

    #[test]
    fn a_written_retention_gap_is_read_back_and_no_sighting_is_one() {
        let gap = RetentionGap::between("raw\"", 2, 10, 40).unwrap();
        let record = of_retention_gap(&gap);
        assert_eq!(retention_gap(&record), Some(gap));
        assert!(decode(&record).is_err());
        let event = native::decode(EVENT.as_bytes(), &Redactor::default())
            .unwrap()
            .event;
        let (_, sighting) = of_event(&event, true, (3, 12)).unwrap();
        assert_eq!(retention_gap(&sighting), None);
    }

    #[test]
    fn only_authentications_with_an_address_have_a_sighting() {
        let seen = |text: String| {
            let event = native::decode(text.as_bytes(), &Redactor::default())
                .unwrap()
                .event;
            of_event(&event, false, (0, 0)).is_some()
        };
        assert!(seen(EVENT.to_owned()));
        assert!(!seen(EVENT.replace("authenticate", "use")));
        assert!(!seen(
            EVENT.replace(r#""ip":"203.0.113.9""#, r#""host":"h""#)
        ));
    }

    #[test]
    fn anything_else_is_rejected() {
        let event = native::decode(EVENT.as_bytes(), &Redactor::default())
            .unwrap()
            .event;
        let (_, record) = of_event(&event, true, (3, 12)).unwrap();
        let text = String::from_utf8(record).unwrap();
        assert!(decode(b"{}").is_err() && decode(b"[").is_err());
        for (good, bad) in [("failure", "perhaps"), ("human", "alien"), ("1795", "9")] {
            assert!(text.contains(good), "{text}");
            assert!(
                decode(text.replacen(good, bad, 1).as_bytes()).is_err(),
                "{bad}"
            );
        }
    }
}
