//! Where the layouts of NXLog, winlogbeat, Log Analytics and converted XML state the same facts.

use super::super::fields::{first, member, stated_time, text, time};
use super::names::account;
use crate::sources::json_value::{Ref, Value};
use crate::sources::time::{format_rfc3339, parse_rfc3339};
use credwatch_core::units::{EventTime, MS_PER_SEC};
use std::borrow::Cow;

/// Zones are multiples of a quarter of an hour.
const ZONE_STEP_MS: i64 = 900 * MS_PER_SEC;

/// A record with its event data, which may be the record itself.
pub(super) struct Layout<'r> {
    record: Value<'r>,
    data: EventData,
}

/// Where the event data are.
enum EventData {
    /// In the record itself.
    Record,
    /// In its member at this path.
    Member(&'static str),
    /// By name, made of a list of pairs.
    Named(Value<'static>),
}

impl<'r> Layout<'r> {
    pub(super) fn of(record: Value<'r>) -> Self {
        let paths = [
            "winlog.event_data",
            "event_data",
            "EventData",
            "Event.EventData",
        ];
        let mut found = paths
            .iter()
            .filter_map(|path| Some((*path, member(&record, path)?)));
        let data = match found.next().filter(|(_, data)| data.is_object()) {
            None => EventData::Record,
            Some((path, data)) => named(data).map_or(EventData::Member(path), EventData::Named),
        };
        Self { record, data }
    }

    fn data(&self) -> Ref<'_> {
        match &self.data {
            EventData::Record => &self.record,
            EventData::Member(path) => member(&self.record, path).unwrap_or(&self.record),
            EventData::Named(data) => data,
        }
    }

    /// A fact of the event data.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        stated(self.data(), name)
    }

    pub(super) fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    /// A fact beside the event data.
    pub(super) fn top(&self, path: &str) -> Option<String> {
        stated(&self.record, path)
    }

    fn any(&self, paths: &[&str]) -> Option<String> {
        paths.iter().find_map(|path| self.top(path))
    }

    pub(super) fn event_id(&self) -> Option<u32> {
        let paths = [
            "winlog.event_id",
            "event_id",
            "EventID",
            "EventID.#text",
            "EventId",
            "Event.System.EventID.#text",
            "Event.System.EventID",
            "event.code",
        ];
        self.any(&paths)?.parse().ok()
    }

    /// The machine that wrote the event, in lower case; `host` is the collector.
    pub(super) fn host(&self) -> Option<String> {
        let paths = [
            "winlog.computer_name",
            "computer_name",
            "Hostname",
            "Computer",
            "Event.System.Computer",
        ];
        let host = self.any(&paths).or_else(|| self.top("host.name"));
        host.map(|host| super::cut(&host.to_lowercase()))
    }

    /// The number of the record at its machine.
    pub(super) fn number(&self) -> Option<String> {
        self.any(&[
            "winlog.record_id",
            "record_number",
            "RecordNumber",
            "Event.System.EventRecordID",
            "EventRecordID",
        ])
    }

    pub(super) fn time(&self) -> Option<String> {
        let exact = [
            "winlog.time_created",
            "Event.System.TimeCreated.@SystemTime",
            "Event.System.TimeCreated.#attributes.SystemTime",
        ];
        let exact = exact
            .iter()
            .find_map(|path| stated_time(&self.record, path));
        let others = ["@timestamp", "TimeCreated", "TimeGenerated", "UtcTime"];
        exact.or_else(|| self.local_time()).or_else(|| {
            others
                .iter()
                .find_map(|path| stated_time(&self.record, path))
        })
    }

    /// The time of a clock without zone, which the collector's clocks give: one local, one UTC.
    fn local_time(&self) -> Option<String> {
        let local = |name| {
            let has_zone = parse_rfc3339(text(&self.record, name)?).is_some();
            time(&self.record, name).filter(|_| !has_zone)
        };
        let collected = time(&self.record, "@timestamp")?;
        let (event, received) = (local("EventTime")?, local("EventReceivedTime")?);
        let offset = collected.epoch_ms() - received.epoch_ms();
        let steps = (offset + ZONE_STEP_MS / 2).div_euclid(ZONE_STEP_MS);
        let at = EventTime::from_epoch_ms(event.epoch_ms() + steps * ZONE_STEP_MS)?;
        Some(format_rfc3339(at))
    }

    /// An account of two facts.
    pub(super) fn account(&self, name: &str, domain: &str) -> Option<String> {
        let name = self.text(name)?;
        Some(account(
            &name,
            self.text(domain).as_deref(),
            self.host().as_deref(),
        ))
    }

    pub(super) fn subject(&self) -> Option<String> {
        self.account("SubjectUserName", "SubjectDomainName")
    }

    pub(super) fn target(&self) -> Option<String> {
        let name = self.first(&["TargetUserName", "AccountName"])?;
        let domain = self.first(&["TargetDomainName", "AccountDomain"]);
        Some(account(&name, domain.as_deref(), self.host().as_deref()))
    }

    /// The first label of the realm.
    pub(super) fn realm(&self) -> Option<String> {
        let of_any = account(
            "any",
            self.text("TargetDomainName").as_deref(),
            self.host().as_deref(),
        );
        of_any.split_once('\\').map(|(realm, _)| realm.to_owned())
    }
}

/// A text or number that says something; a group may be called `None`.
fn stated(value: Ref<'_>, path: &str) -> Option<String> {
    match member(value, path)? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(stated) => {
            let stated = stated.trim();
            (!matches!(stated, "" | "-")).then(|| stated.to_owned())
        }
        _ => None,
    }
}

/// Event data by name, where XML's list of pairs stands in it.
fn named(data: Ref<'_>) -> Option<Value<'static>> {
    let Some(Value::Array(pairs)) = data.get("Data") else {
        return None;
    };
    let pairs = pairs.iter().filter_map(|pair| {
        let name = first(pair, &["@Name", "Name", "#attributes.Name"])?;
        let value = text(pair, "#text").or_else(|| first(pair, &["Value", "text"]))?;
        let value = Value::String(Cow::Owned(value.to_owned()));
        Some((Cow::Owned(name.to_owned()), value))
    });
    Some(Value::Object(pairs.collect()))
}
