//! One record → native events, by its format.

use super::{NativeRecord, RecordMapper};
use crate::enrichment::Enricher;
use crate::sources::cloudtrail;
use crate::sources::fields::{SourceError, UNKNOWN_NAME_BEGIN, stated_text};
use crate::sources::jq::JqProgram;
use crate::sources::keycloak;
use crate::sources::keycloak::KeycloakEventError;
use crate::sources::native;
use crate::sources::native::encode::NativeEvent;
use crate::sources::source_format::Format;
use crate::sources::time::{format_rfc3339, parse_rfc3339};
use crate::sources::{
    auth0, azure, duo, entra, gcp, github, google_workspace, kubernetes, ocsf, okta, onepassword,
    ssh, vault, windows,
};
use crate::token_redaction::Redactor;
use credwatch_core::units::EventTime;
use std::borrow::Cow;

/// Name of the time of a record in Kafka, where an event has no other.
const RECORD_TIME: &str = "record";

/// Why a record gives no event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoEvent {
    /// It is about no use of a credential.
    LeftOut(&'static str),
    /// It cannot be mapped.
    Rejected(String),
}

/// One of the events of a record.
pub(super) struct MappedEvent<'d> {
    /// Time of the event in epoch milliseconds; a rejected one comes last.
    pub(super) time_ms: i64,
    /// The event, or why it was rejected.
    pub(super) outcome: Result<NativeRecord<'d>, RejectedEvent>,
}

/// An event that is not valid, among others of its record.
pub(super) struct RejectedEvent {
    /// The event as JSON.
    pub(super) json: Vec<u8>,
    /// Why.
    pub(super) reason: String,
}

impl<'d> MappedEvent<'d> {
    fn valid(time_ms: i64, native: NativeRecord<'d>) -> Self {
        let outcome = Ok(native);
        Self { time_ms, outcome }
    }

    fn rejected(json: Vec<u8>, reason: String) -> Self {
        Self {
            time_ms: i64::MAX,
            outcome: Err(RejectedEvent { json, reason }),
        }
    }
}

/// The events of a record.
pub(super) type Mapped<'d> = Result<Vec<MappedEvent<'d>>, NoEvent>;

/// Maps `record`, an element of a list where `is_list`. An event without a time gets `record_time`.
pub(super) fn map_record<'d>(
    mapper: &RecordMapper,
    record: &Cow<'d, [u8]>,
    format: Format,
    is_list: bool,
    record_time: Option<EventTime>,
) -> Mapped<'d> {
    let encoder = Encoder {
        enricher: mapper.enricher.as_deref(),
        redactor: &mapper.redactor,
        record_time,
    };
    let several = |mapped: Result<Vec<NativeEvent>, SourceError>| encoder.events(mapped);
    let one = |mapped: Result<NativeEvent, SourceError>| several(mapped.map(|event| vec![event]));
    match format {
        Format::Native | Format::Auto if !is_list => {
            Ok(vec![MappedEvent::valid(0, encoder.native_line(record))])
        }
        Format::Native | Format::Auto => match encoder.native(record) {
            Ok(event) => Ok(vec![event]),
            Err(reason) => Err(NoEvent::Rejected(reason)),
        },
        Format::Jq => encoder.program(mapper.program.as_deref(), record),
        Format::CloudTrail => encoder.cloudtrail(record),
        Format::Keycloak => encoder.keycloak(record),
        Format::Auth0 => one(auth0::map(record)),
        Format::Azure => one(azure::map(record)),
        Format::Duo => one(duo::map(record)),
        Format::Entra => one(entra::map(record)),
        Format::Gcp => one(gcp::map(record)),
        Format::GitHub => one(github::map(record)),
        Format::GoogleWorkspace => several(google_workspace::map(record)),
        Format::Kubernetes => one(kubernetes::map(record)),
        Format::Ocsf => one(ocsf::map(record)),
        Format::Okta => one(okta::map(record)),
        Format::OnePassword => one(onepassword::map(record)),
        Format::Ssh => one(ssh::map(record)),
        Format::Vault => one(vault::map(record)),
        Format::Windows => one(windows::map(record)),
    }
}

fn rejected(error: &impl ToString) -> NoEvent {
    NoEvent::Rejected(error.to_string())
}

/// Whether an id names somebody in its last part: a name cut out of `arn:…/` or `user:` is none.
fn names_somebody(id: &str) -> bool {
    let name = id.rsplit([':', '/']).next().unwrap_or(id);
    stated_text(name).is_some()
}

/// Encodes events, with what their record or their address adds.
struct Encoder<'m> {
    enricher: Option<&'m Enricher>,
    redactor: &'m Redactor,
    record_time: Option<EventTime>,
}

impl Encoder<'_> {
    /// A native line, which is decoded later.
    fn native_line<'d>(&self, line: &Cow<'d, [u8]>) -> NativeRecord<'d> {
        let enriched = self
            .enricher
            .and_then(|enricher| enricher.enrich_json(line));
        NativeRecord {
            json: enriched.map_or_else(|| line.clone(), Cow::Owned),
            key: None,
            expiry_unparsed: false,
        }
    }

    fn native<'d>(&self, record: &Cow<'d, [u8]>) -> Result<MappedEvent<'d>, String> {
        let decoded = native::decode(record, self.redactor).map_err(|error| error.to_string())?;
        let (key, time) = (decoded.event.identity.id.to_string(), decoded.event.time);
        let native = NativeRecord {
            key: Some(key),
            ..self.native_line(record)
        };
        Ok(MappedEvent::valid(time.epoch_ms(), native))
    }

    fn program<'d>(&self, program: Option<&JqProgram>, record: &[u8]) -> Mapped<'d> {
        let program = program.ok_or_else(|| rejected(&"the format jq requires a program"))?;
        let outputs = program.run(record).map_err(|error| rejected(&error))?;
        if outputs.is_empty() {
            return Err(NoEvent::LeftOut("the program gives no event"));
        }
        let outputs = outputs.into_iter().map(|output| {
            let output = Cow::Owned(output);
            let native = self.native(&output);
            native.unwrap_or_else(|reason| MappedEvent::rejected(output.into_owned(), reason))
        });
        Ok(outputs.collect())
    }

    fn cloudtrail<'d>(&self, record: &[u8]) -> Mapped<'d> {
        let mapped = cloudtrail::map(record).map_err(|error| rejected(&error))?;
        Ok(vec![self.encoded(mapped.event, mapped.expiry_unparsed)])
    }

    fn keycloak<'d>(&self, record: &[u8]) -> Mapped<'d> {
        match keycloak::map(record) {
            Ok(event) => Ok(vec![self.encoded(event, false)]),
            Err(KeycloakEventError::Nobody) => Err(NoEvent::LeftOut("names nobody")),
            Err(error) => Err(rejected(&error)),
        }
    }

    fn events<'d>(&self, mapped: Result<Vec<NativeEvent>, SourceError>) -> Mapped<'d> {
        let events = mapped.map_err(|error| match error {
            SourceError::LeftOut(reason) => NoEvent::LeftOut(reason),
            error => rejected(&error),
        })?;
        let events = events.into_iter();
        Ok(events.map(|event| self.encoded(event, false)).collect())
    }

    fn encoded<'d>(&self, mut event: NativeEvent, expiry_unparsed: bool) -> MappedEvent<'d> {
        if event.time.is_none() {
            event.time = self.record_time.map(format_rfc3339);
            event.time_source = Some(RECORD_TIME);
        }
        let invalid = |event: NativeEvent, reason: &str| {
            MappedEvent::rejected(event.to_json(), reason.to_owned())
        };
        let Some(time) = &event.time else {
            return invalid(event, "record without a time");
        };
        let time_ms = parse_rfc3339(time).unwrap_or(i64::MAX);
        if !names_somebody(&event.identity.id) {
            return invalid(event, "record that names no principal");
        }
        let id = &mut event.identity.id;
        if let Some(keyed) = self.redactor.with_keyed_fingerprint(id, UNKNOWN_NAME_BEGIN) {
            *id = keyed;
        }
        if let Some(enricher) = self.enricher {
            enricher.enrich(&mut event);
        }
        let native = NativeRecord {
            json: Cow::Owned(event.to_json()),
            key: Some(event.identity.id),
            expiry_unparsed,
        };
        MappedEvent::valid(time_ms, native)
    }
}
