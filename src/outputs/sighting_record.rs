//! Sightings (`credential.sightings`): one authentication under its source; one JSON object per record, keyed
//! by the network. Written and read by credwatch only.

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
    Json(#[from] serde_json::Error),
    /// A field has an invalid value.
    #[error(
        "not a sighting: field `{0}` is invalid; the sightings topic must be written by credwatch only"
    )]
    Field(&'static str),
}

#[derive(Serialize, Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    /// Epoch milliseconds.
    time: i64,
    #[serde(borrow)]
    network: Cow<'a, str>,
    #[serde(borrow)]
    identity: Whose<'a>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    credential: Option<Which<'a>>,
    #[serde(borrow)]
    outcome: Cow<'a, str>,
    is_usual: bool,
    known_identities: u64,
    position: (i32, i64),
}

#[derive(Serialize, Deserialize)]
struct Whose<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    group: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    owner: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct Which<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    issuer: Option<Cow<'a, str>>,
}

fn same<'e>(text: Option<&'e str>) -> Option<Cow<'e, str>> {
    text.map(Cow::Borrowed)
}

/// Network and record of `event`, which was read at `position`; `None` where it is not an authentication, or
/// states no address.
#[must_use]
pub fn of_event(
    event: &Event<'_>,
    is_usual: bool,
    known_identities: u64,
    position: (i32, i64),
) -> Option<(String, Vec<u8>)> {
    if event.activity != Activity::Authenticate {
        return None;
    }
    let network = source_network(event)?;
    let (identity, credential) = (&event.identity, event.credential.as_ref());
    let record = Record {
        event_id: Cow::Borrowed(&event.event_id),
        time: event.time.epoch_ms(),
        network: Cow::Borrowed(&network),
        identity: Whose {
            id: Cow::Borrowed(&identity.id),
            kind: Cow::Borrowed(identity.kind.as_str()),
            group: same(identity.group.as_deref()),
            owner: same(identity.owner.as_deref()),
        },
        credential: credential.map(|credential| Which {
            id: Cow::Borrowed(&credential.id),
            kind: same(credential.kind.map(CredentialKind::as_str)),
            issuer: same(credential.issuer.as_deref()),
        }),
        outcome: Cow::Borrowed(event.outcome.as_str()),
        is_usual,
        known_identities,
        position,
    };
    let record = serde_json::to_vec(&record).ok()?;
    Some((network, record))
}

/// Parses one record.
///
/// # Errors
/// It is not a sighting.
pub fn decode(record: &[u8]) -> Result<Sighting<'_>, SightingError> {
    let raw: Record<'_> = serde_json::from_slice(record)?;
    let field = SightingError::Field;
    Ok(Sighting {
        event_id: raw.event_id,
        time: EventTime::from_epoch_ms(raw.time).ok_or(field("time"))?,
        network: raw.network,
        identity: Identity {
            kind: IdentityKind::parse(&raw.identity.kind).ok_or(field("identity.kind"))?,
            id: raw.identity.id,
            group: raw.identity.group,
            owner: raw.identity.owner,
        },
        credential: raw.credential.map(credential_of).transpose()?,
        outcome: Outcome::parse(&raw.outcome).ok_or(field("outcome"))?,
        is_known_source: raw.is_usual,
        known_identities: raw.known_identities,
        position: raw.position,
    })
}

fn credential_of(which: Which<'_>) -> Result<Credential<'_>, SightingError> {
    let unknown = || SightingError::Field("credential.kind");
    let kind = which.kind.as_deref();
    let kind = kind.map(|kind| CredentialKind::parse(kind).ok_or_else(unknown));
    Ok(Credential {
        kind: kind.transpose()?,
        id: which.id,
        issuer: which.issuer,
        issued_at: None,
        expires_at: None,
        scopes: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::native;

    const EVENT: &str = r#"{"event_id":"e\"1","time":"2026-11-23T10:15:30.123Z",
        "identity":{"id":"ada","kind":"human","group":"ops"},
        "credential":{"id":"pw-1","kind":"password","issuer":"idp"},
        "activity":"authenticate","source":{"ip":"203.0.113.9"},"outcome":"failure"}"#;

    #[test]
    fn a_written_sighting_is_read_back() {
        let event = native::decode(EVENT.as_bytes()).unwrap().event;
        let (network, record) = of_event(&event, true, 70, (3, 12)).unwrap();
        let sighting = decode(&record).unwrap();
        assert_eq!(
            (network.as_str(), &*sighting.network),
            ("203.0.113.0/24", "203.0.113.0/24")
        );
        assert_eq!(
            (&*sighting.event_id, &*sighting.identity.id),
            ("e\"1", "ada")
        );
        assert_eq!(sighting.outcome, Outcome::Failure);
        assert_eq!(
            sighting.credential.as_ref().unwrap().kind,
            Some(CredentialKind::Password)
        );
        assert_eq!(
            (sighting.position, sighting.known_identities),
            ((3, 12), 70)
        );
        assert!(sighting.is_known_source && !sighting.is_routine());
    }

    #[test]
    fn only_authentications_with_an_address_have_a_sighting() {
        let seen = |text: String| {
            let event = native::decode(text.as_bytes()).unwrap().event;
            of_event(&event, false, 1, (0, 0)).is_some()
        };
        assert!(seen(EVENT.to_owned()));
        assert!(!seen(EVENT.replace("authenticate", "use")));
        assert!(!seen(
            EVENT.replace(r#""ip":"203.0.113.9""#, r#""host":"h""#)
        ));
    }

    #[test]
    fn anything_else_is_rejected() {
        let event = native::decode(EVENT.as_bytes()).unwrap().event;
        let (_, record) = of_event(&event, true, 70, (3, 12)).unwrap();
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
