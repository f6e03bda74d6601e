//! What inputs hold: sources, filled fields, and the signals that have data, as JSON and as text.

use crate::ingest::LeftOut;
use crate::sources::source_format::Format;
use crate::sources::time::format_rfc3339;
use credwatch_core::event::{Event, Outcome};
use credwatch_core::units::EventTime;
use credwatch_core::verdict::SignalName;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Positions listed for each reason of rejection.
const EXAMPLES: usize = 3;

/// A field of an event.
struct Field {
    name: &'static str,
    is_filled: fn(&Event<'_>) -> bool,
    /// Signals that have no data without it.
    signals: &'static [SignalName],
    /// What to change at the source.
    remedy: &'static str,
}

const FIELDS: [Field; 16] = [
    Field {
        name: "event_id",
        is_filled: |event| !event.event_id.is_empty(),
        signals: &[],
        remedy: "have the producer send a unique id, so that a repeated delivery counts once",
    },
    Field {
        name: "identity.owner",
        is_filled: |event| event.identity.owner.is_some(),
        signals: &[],
        remedy: "",
    },
    Field {
        name: "credential.id",
        is_filled: |event| of_credential(event, |credential| !credential.id.is_empty()),
        signals: &[SignalName::Concurrency, SignalName::Refresh],
        remedy: "log the id of the session, key or token (not the secret)",
    },
    Field {
        name: "credential.issuer",
        is_filled: |event| of_credential(event, |credential| credential.issuer.is_some()),
        signals: &[SignalName::Issuer],
        remedy: "log who issued the token",
    },
    Field {
        name: "credential.issued_at",
        is_filled: |event| of_credential(event, |credential| credential.issued_at.is_some()),
        signals: &[SignalName::TokenLifetime],
        remedy: "log when tokens are issued",
    },
    Field {
        name: "credential.expires_at",
        is_filled: |event| of_credential(event, |credential| credential.expires_at.is_some()),
        signals: &[SignalName::TokenLifetime, SignalName::CredentialAge],
        remedy: "log the end of tokens where they are issued",
    },
    Field {
        name: "credential.scopes",
        is_filled: |event| of_credential(event, |credential| !credential.scopes.is_empty()),
        signals: &[],
        remedy: "",
    },
    Field {
        name: "action",
        is_filled: |event| event.action.is_some(),
        signals: &[SignalName::Action, SignalName::Privilege],
        remedy: "log the operation",
    },
    Field {
        name: "resource",
        is_filled: |event| event.resource.is_some(),
        signals: &[SignalName::FanOut],
        remedy: "log the object of the operation",
    },
    Field {
        name: "source.host",
        is_filled: |event| event.source.host.is_some(),
        signals: &[SignalName::Host],
        remedy: "log the name of the device, where the system knows it",
    },
    Field {
        name: "source.ip",
        is_filled: |event| event.source.ip.is_some(),
        signals: &[SignalName::Network, SignalName::Concurrency],
        remedy: "log the client's address; behind a proxy, have it forwarded",
    },
    Field {
        name: "source.user_agent",
        is_filled: |event| event.source.user_agent.is_some(),
        signals: &[SignalName::Client],
        remedy: "log the user agent",
    },
    Field {
        name: "source.country",
        is_filled: |event| event.source.country.is_some(),
        signals: &[],
        remedy: "set `enrichment.databases` to a database of countries",
    },
    Field {
        name: "source.latitude, longitude",
        is_filled: |event| event.source.position.is_some(),
        signals: &[SignalName::Travel],
        remedy: "set `enrichment.databases` to a database of cities",
    },
    Field {
        name: "purpose",
        is_filled: |event| event.purpose.is_some(),
        signals: &[SignalName::Purpose],
        remedy: "have jobs state what they run for, such as a session name",
    },
    Field {
        name: "outcome failure or denied",
        is_filled: |event| matches!(event.outcome, Outcome::Failure | Outcome::Denied),
        signals: &[SignalName::Failure],
        remedy: "log failed and denied attempts too",
    },
];

fn of_credential(
    event: &Event<'_>,
    holds: fn(&credwatch_core::event::Credential<'_>) -> bool,
) -> bool {
    event.credential.as_ref().is_some_and(holds)
}

/// What the inputs hold.
#[derive(Clone, Debug, Default, Serialize)]
pub struct InspectionReport {
    /// Size of the inputs, decompressed.
    pub bytes: u64,
    /// By source.
    pub sources: BTreeMap<&'static str, SourceReport>,
    /// Envelopes that were opened, by kind.
    pub envelopes: BTreeMap<&'static str, u64>,
    /// Records left out on purpose, by source and reason.
    pub left_out: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Rejected records by reason.
    pub rejected: BTreeMap<String, Rejections>,
}

/// What the inputs hold of one source.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SourceReport {
    /// Events.
    pub events: u64,
    /// Number of identities.
    pub identities: usize,
    /// Time of the first event, RFC 3339.
    pub first: Option<String>,
    /// Time of the last event, RFC 3339.
    pub last: Option<String>,
    /// Number of events that fill a field.
    pub filled: BTreeMap<&'static str, u64>,
    /// Signals without data, with the fields that no event fills.
    pub signals_without_data: BTreeMap<&'static str, Vec<&'static str>>,
    /// What to change at the source, by field that a signal lacks.
    pub remedies: BTreeMap<&'static str, &'static str>,
    #[serde(skip)]
    names: BTreeSet<Box<str>>,
    #[serde(skip)]
    span: Option<(EventTime, EventTime)>,
}

/// Records that were rejected for one reason.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rejections {
    /// Number of records.
    pub records: u64,
    /// The first of them: file and position from 0.
    pub examples: Vec<String>,
}

impl SourceReport {
    fn filled(&self, field: &Field) -> u64 {
        self.filled.get(field.name).copied().unwrap_or(0)
    }

    fn finish(&mut self) {
        self.identities = self.names.len();
        self.first = self.span.map(|(first, _)| format_rfc3339(first));
        self.last = self.span.map(|(_, last)| format_rfc3339(last));
        let empty: Vec<&Field> = FIELDS
            .iter()
            .filter(|field| self.filled(field) == 0)
            .collect();
        for signal in SignalName::ALL {
            let fields = empty.iter().filter(|field| field.signals.contains(signal));
            let names: Vec<&str> = fields.map(|field| field.name).collect();
            if !names.is_empty() && self.events > 0 {
                self.signals_without_data.insert(signal.as_str(), names);
            }
        }
        let lacking = empty
            .iter()
            .filter(|field| !field.signals.is_empty() && self.events > 0);
        self.remedies = lacking.map(|field| (field.name, field.remedy)).collect();
    }
}

impl InspectionReport {
    /// Completes the report when everything was added.
    #[must_use]
    pub fn finish(mut self) -> Self {
        self.sources.values_mut().for_each(SourceReport::finish);
        self
    }

    /// Adds a part of a file.
    pub fn add_part(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Adds an envelope that was opened.
    pub fn add_envelope(&mut self, kind: &'static str) {
        *self.envelopes.entry(kind).or_default() += 1;
    }

    /// Adds a record that is about no use of a credential.
    pub fn add_left_out(&mut self, LeftOut { format, reason }: LeftOut) {
        let of_format = self.left_out.entry(format).or_default();
        *of_format.entry(reason).or_default() += 1;
    }

    /// Adds an event.
    pub fn add_event(&mut self, format: Format, event: &Event<'_>) {
        let source = self.sources.entry(format.as_str()).or_default();
        source.events += 1;
        if !source.names.contains(&*event.identity.id) {
            source.names.insert(event.identity.id.as_ref().into());
        }
        let (first, last) = source.span.unwrap_or((event.time, event.time));
        source.span = Some((first.min(event.time), last.max(event.time)));
        for field in &FIELDS {
            *source.filled.entry(field.name).or_default() += u64::from((field.is_filled)(event));
        }
    }

    /// Adds a rejected record.
    pub fn add_rejected(&mut self, reason: &str, file: &str, index: usize) {
        let rejected = self.rejected.entry(reason.to_owned()).or_default();
        rejected.records += 1;
        if rejected.examples.len() < EXAMPLES {
            rejected.examples.push(format!("{file} record {index}"));
        }
    }

    /// Number of rejected records.
    #[must_use]
    pub fn rejections(&self) -> u64 {
        self.rejected.values().map(|of| of.records).sum()
    }

    fn events(&self) -> u64 {
        self.sources.values().map(|source| source.events).sum()
    }

    fn write_sources(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<17} {:>9} {:>10}   {:<24}   last",
            "source", "events", "identities", "first"
        )?;
        for (name, source) in &self.sources {
            let time = |time: &Option<String>| time.clone().unwrap_or_default();
            writeln!(
                f,
                "{name:<17} {:>9} {:>10}   {:<24}   {}",
                source.events,
                source.identities,
                time(&source.first),
                time(&source.last)
            )?;
        }
        Ok(())
    }

    fn write_fields(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_events = || self.sources.iter().filter(|(_, source)| source.events > 0);
        write!(f, "\n{:<27}", "fields filled, in percent")?;
        for (name, _) in with_events() {
            write!(f, " {name:>16}")?;
        }
        writeln!(f)?;
        for field in &FIELDS {
            write!(f, "{:<27}", field.name)?;
            for (_, source) in with_events() {
                let share = match (source.filled(field), source.events) {
                    (0, _) => "-".to_owned(),
                    (filled, events) if filled * 100 < events => "<1".to_owned(),
                    (filled, events) => (filled * 100 / events).to_string(),
                };
                write!(f, " {share:>16}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl InspectionReport {
    fn write_signals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nsignals without data, and the fields that no event fills"
        )?;
        for (name, source) in &self.sources {
            for (signal, fields) in &source.signals_without_data {
                writeln!(f, "  {name:<16} {signal:<15} {}", fields.join("; "))?;
            }
        }
        let remedies: BTreeMap<_, _> = self.sources.values().flat_map(|of| &of.remedies).collect();
        if !remedies.is_empty() {
            writeln!(f, "\nwhat to change at the source")?;
        }
        for (field, remedy) in remedies {
            writeln!(f, "  {field:<26} {remedy}")?;
        }
        Ok(())
    }
}

impl fmt::Display for InspectionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identities: usize = self.sources.values().map(|source| source.identities).sum();
        let left_out: u64 = self.left_out.values().flat_map(BTreeMap::values).sum();
        writeln!(
            f,
            "{} bytes: {} events of {identities} identities; {left_out} records left out on purpose, \
             {} records rejected",
            self.bytes,
            self.events(),
            self.rejections()
        )?;
        if self.events() > 0 {
            self.write_sources(f)?;
            self.write_fields(f)?;
            self.write_signals(f)?;
        }
        if !self.envelopes.is_empty() {
            writeln!(f, "\nenvelopes")?;
        }
        for (kind, opened) in &self.envelopes {
            writeln!(f, "  {opened} × {kind}")?;
        }
        if !self.left_out.is_empty() {
            writeln!(f, "\nleft out on purpose")?;
        }
        for (format, reasons) in &self.left_out {
            for (reason, records) in reasons {
                writeln!(f, "  {records} × {format}: {reason}")?;
            }
        }
        if !self.rejected.is_empty() {
            writeln!(f, "\nrejected")?;
        }
        let mut rejected: Vec<_> = self.rejected.iter().collect();
        rejected.sort_by_key(|(_, of)| std::cmp::Reverse(of.records));
        for (reason, of) in rejected {
            writeln!(f, "  {} × {reason}: {}", of.records, of.examples.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use credwatch_core::event::{Activity, Identity, IdentityKind};

    #[test]
    fn a_signal_lacks_data_only_where_no_event_fills_its_field() {
        let mut report = InspectionReport::default();
        let at = EventTime::from_epoch_ms(1_700_000_000_000).unwrap();
        let identity = Identity {
            id: "a".into(),
            kind: IdentityKind::Service,
            group: None,
            owner: None,
        };
        let mut event = Event::new("".into(), at, identity, Activity::Use);
        report.add_event(Format::Native, &event);
        report.add_event(Format::Okta, &event);
        event.source.host = Some("h".into());
        report.add_event(Format::Okta, &event);
        let report = report.finish();
        let lacking = |source: &str| &report.sources[source].signals_without_data;
        assert_eq!(lacking("native")["host"], ["source.host"]);
        assert!(!lacking("okta").contains_key("host"));
        assert!(!lacking("okta").contains_key("rhythm"));
        let text = report.to_string();
        assert!(text.contains("3 events of 2 identities"), "{text}");
        let remedy = report.sources["native"].remedies["source.latitude, longitude"];
        assert!(
            remedy.contains("enrichment.databases") && text.contains(remedy),
            "{text}"
        );
        assert!(!report.sources["okta"].remedies.contains_key("source.host"));
    }

    #[test]
    fn the_first_rejections_of_a_reason_are_named() {
        let mut report = InspectionReport::default();
        (0..9).for_each(|index| report.add_rejected("no time", "a.json", index));
        assert_eq!(report.rejections(), 9);
        assert_eq!(report.rejected["no time"].examples.len(), EXAMPLES);
    }
}
