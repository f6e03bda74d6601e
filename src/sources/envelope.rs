//! Envelopes that pipelines put around records: unwrapped before the format is looked at.
//!
//! An envelope is recognised by members that records do not have. At most [`MAX_DEPTH`] are opened, one in
//! another; what they hold is never larger than they are.

use super::json_scan::{Member, elements, members, members_of};
use super::source_format::RawRecord;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Envelopes that are opened one in another.
const MAX_DEPTH: usize = 3;
/// Members with which bare records begin: these are not searched for an envelope.
const RECORD_BEGINNINGS: [&[u8]; 4] = [b"event_id", b"identity", b"eventVersion", b"realmId"];
/// Names of lists that only envelopes have, and kinds of these.
const LISTS: [(&str, &str); 3] = [
    ("Records", "CloudTrail file"),
    ("records", "Azure Event Hub"),
    ("Events", "CloudTrail LookupEvents"),
];
/// Lists of records under names that records may have as well, with a member that is beside the list only.
const LISTS_WITH_MEMBER: [(&str, &str, &str); 5] = [
    ("value", "@odata.context", "Microsoft Graph page"),
    ("items", "apiVersion", "Kubernetes EventList"),
    ("items", "has_more", "1Password page"),
    ("items", "cursor", "1Password page"),
    ("items", "etag", "Google Workspace page"),
];

/// An envelope that was opened: its kind, and what is in it.
type Opened<'d> = (&'static str, Content<'d>);

/// What is in an envelope.
enum Content<'d> {
    /// Values, in the order of a list.
    Values(Vec<&'d [u8]>),
    /// JSON as text.
    Texts(Vec<&'d [u8]>),
    /// JSON as text in base64.
    Encoded(&'d [u8]),
    /// Nothing that is a record, with the reason: a control message, or a file beside the log.
    Nothing(&'static str),
}

/// Records of a document, and what was left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unwrapped<'d> {
    pub(super) records: Vec<RawRecord<'d>>,
    /// Reasons for documents that hold no record on purpose.
    pub(super) left_out: Vec<&'static str>,
    /// Kinds of the envelopes that were opened.
    pub(super) envelopes: Vec<&'static str>,
    /// Whether a list was opened: its elements have no order.
    pub(super) is_list: bool,
}

impl<'d> Unwrapped<'d> {
    /// Adds the records of `value`.
    pub(super) fn add(&mut self, value: &'d [u8]) {
        self.add_nested(value, 0);
    }

    /// Adds the records of `object`, whose members are known.
    pub(super) fn add_object(&mut self, object: &'d [u8], members: Vec<Member<'d>>) {
        self.add_members(object, members, 0);
    }

    /// Adds `text` as one record that is looked at no further.
    pub(super) fn add_unopened(&mut self, text: &'d [u8]) {
        self.records.push(RawRecord::of(text));
    }

    fn add_nested(&mut self, value: &'d [u8], depth: usize) {
        match value.first() {
            Some(b'{') => self.add_members(value, members_of(value), depth),
            Some(b'"') if depth < MAX_DEPTH => {
                self.add_content(("JSON as text", Content::Texts(vec![value])), depth);
            }
            _ => self.add_unopened(value),
        }
    }

    fn add_members(&mut self, object: &'d [u8], members: Vec<Member<'d>>, depth: usize) {
        let envelope = Envelope(members);
        match (depth < MAX_DEPTH).then(|| envelope.open()).flatten() {
            Some(opened) => self.add_content(opened, depth),
            None => self.records.push(RawRecord::of_object(object, &envelope.0)),
        }
    }

    fn add_content(&mut self, (kind, content): Opened<'d>, depth: usize) {
        self.envelopes.push(kind);
        match content {
            Content::Nothing(reason) => self.left_out.push(reason),
            Content::Values(values) => {
                self.is_list |= values.len() > 1;
                for value in values {
                    self.add_nested(value, depth + 1);
                }
            }
            Content::Texts(texts) => {
                self.is_list |= texts.len() > 1;
                for text in texts {
                    self.add_text(text, depth + 1);
                }
            }
            Content::Encoded(text) => self.add_encoded(text, depth + 1),
        }
    }

    /// Adds the records of JSON that stands as text in JSON.
    fn add_text(&mut self, quoted: &'d [u8], depth: usize) {
        match serde_json::from_slice::<String>(quoted) {
            Ok(text) => self.add_owned(text.as_bytes(), depth),
            Err(_) => self.add_unopened(quoted),
        }
    }

    /// Adds the records of JSON that stands as text in base64.
    fn add_encoded(&mut self, quoted: &'d [u8], depth: usize) {
        let text: Vec<u8> = quoted
            .iter()
            .copied()
            .filter(|byte| *byte != b'"')
            .collect();
        match STANDARD.decode(text) {
            Ok(text) => self.add_owned(&text, depth),
            Err(_) => self.add_unopened(quoted),
        }
    }

    fn add_owned(&mut self, text: &[u8], depth: usize) {
        let mut inner = Unwrapped::default();
        inner.add_nested(text.trim_ascii(), depth);
        self.left_out.extend(inner.left_out);
        self.envelopes.extend(inner.envelopes);
        self.is_list |= inner.is_list;
        let owned = inner.records.into_iter().map(|record| record.into_owned());
        self.records.extend(owned);
    }
}

/// The members of an object that may be an envelope.
struct Envelope<'d>(Vec<Member<'d>>);

impl<'d> Envelope<'d> {
    fn of(object: &'d [u8]) -> Self {
        Self(members_of(object))
    }

    /// What is in it; `None` where it is a record.
    fn open(&self) -> Option<Opened<'d>> {
        let (first, _) = self.0.first()?;
        let is_native =
            *first == b"time" && self.0.get(1).is_some_and(|(name, _)| name == b"identity");
        if is_native || RECORD_BEGINNINGS.contains(first) {
            return None;
        }
        if let Some(records) = self.records() {
            return Some(records);
        }
        if self.has("messageType") {
            return self.of_cloudwatch();
        }
        let inner = self.beside_log().or_else(|| self.inner());
        inner.or_else(|| self.collected())
    }

    fn member(&self, name: &str) -> Option<&'d [u8]> {
        let found = self.0.iter().find(|(found, _)| *found == name.as_bytes());
        found.map(|(_, value)| *value)
    }

    fn has(&self, name: &str) -> bool {
        self.member(name).is_some()
    }

    fn list(&self, name: &str) -> Option<&'d [u8]> {
        self.member(name).filter(|value| value.starts_with(b"["))
    }

    fn text(&self, name: &str) -> Option<&'d [u8]> {
        self.member(name).filter(|value| value.starts_with(b"\""))
    }

    fn object(&self, name: &str) -> Option<Envelope<'d>> {
        let found = self.member(name).filter(|value| value.starts_with(b"{"));
        found.map(Envelope::of)
    }

    /// Its records in a list.
    fn records(&self) -> Option<Opened<'d>> {
        let listed = |(name, kind): &(&str, &'static str)| Some((*kind, self.list(name)?));
        let beside = |(name, beside, kind): &(&str, &str, &'static str)| {
            let list = self.list(name).filter(|_| self.has(beside));
            list.map(|list| (*kind, list))
        };
        let found = LISTS.iter().find_map(listed);
        let found = found.or_else(|| LISTS_WITH_MEMBER.iter().find_map(beside));
        let found = found.or_else(|| {
            let is_hook = self.member("eventType") == Some(b"\"com.okta.event_hook\"");
            let events = self.object("data").filter(|_| is_hook)?.list("events")?;
            Some(("Okta event hook", events))
        });
        let found = found.or_else(|| {
            let page = self.object("response")?.list("authlogs")?;
            Some(("Duo page", page))
        });
        found.map(|(kind, list)| (kind, Content::Values(elements(list).0)))
    }

    /// A value in one of its members.
    fn inner(&self) -> Option<Opened<'d>> {
        let opened = |kind, value| Some((kind, of_value(value)));
        if self.has("detail-type") {
            return opened("EventBridge", self.member("detail")?);
        }
        if self.member("Type") == Some(b"\"Notification\"") {
            return opened("SNS notification", self.text("Message")?);
        }
        if self.has("schema")
            && let Some(payload) = self.member("payload")
        {
            return opened("Kafka Connect with schema", payload);
        }
        if let Some(event) = self.text("CloudTrailEvent") {
            return opened("CloudTrailEvent", event);
        }
        if self.has("subscription")
            && let Some(data) = self.object("message")?.text("data")
        {
            return Some(("Pub/Sub push", Content::Encoded(data)));
        }
        if self.member("category")?.starts_with(b"\"kube-audit") {
            let log = self.object("properties")?.member("log")?;
            return opened("Azure diagnostic log", log);
        }
        None
    }

    /// A record that a collector put into its own.
    fn collected(&self) -> Option<Opened<'d>> {
        let is_json = |text: &&[u8]| text.starts_with(b"\"{");
        let message = self.text("message").filter(is_json);
        if let Some(message) = message.filter(|_| self.has("@timestamp")) {
            return Some(("Logstash or Beats", of_value(message)));
        }
        let has_index = self.has("sourcetype") || self.has("index");
        let event = self.member("event").filter(|_| has_index)?;
        Some(("Splunk", of_value(event)))
    }

    /// Log events of CloudWatch Logs, or its control message.
    fn of_cloudwatch(&self) -> Option<Opened<'d>> {
        let kind = self.member("messageType")?;
        let events = self.list("logEvents")?;
        let content = match kind == b"\"CONTROL_MESSAGE\"" {
            true => Content::Nothing("control message of CloudWatch Logs"),
            false => Content::Texts(messages(events)),
        };
        Some(("CloudWatch Logs", content))
    }

    /// A file that lies beside a log.
    fn beside_log(&self) -> Option<Opened<'d>> {
        let kinds = [
            ("digestS3Object", "CloudTrail digest"),
            ("insightDetails", "CloudTrail Insight"),
        ];
        let (_, kind) = kinds.into_iter().find(|(name, _)| self.has(name))?;
        Some((kind, Content::Nothing(kind)))
    }
}

fn of_value(value: &[u8]) -> Content<'_> {
    match value.first() {
        Some(b'"') => Content::Texts(vec![value]),
        _ => Content::Values(vec![value]),
    }
}

/// The `message` of each log event.
fn messages(events: &[u8]) -> Vec<&[u8]> {
    let (events, _) = elements(events);
    let message = |event| members(event).find(|(name, _)| *name == b"message");
    let found = events.into_iter().filter_map(message);
    found.map(|(_, message)| message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"eventVersion":"1.09","eventID":"e-1"}"#;

    fn unwrapped(document: &str) -> (Vec<String>, usize) {
        let mut found = Unwrapped::default();
        found.add(document.as_bytes());
        let text = |record: RawRecord<'_>| String::from_utf8(record.text.into_owned()).unwrap();
        (
            found.records.into_iter().map(text).collect(),
            found.left_out.len(),
        )
    }

    #[test]
    fn every_envelope_gives_the_record() {
        let quoted = serde_json::to_string(RECORD).unwrap();
        let twice =
            serde_json::to_string(&format!(r#"{{"Type":"Notification","Message":{quoted}}}"#))
                .unwrap();
        for envelope in [
            RECORD.to_owned(),
            quoted.clone(),
            format!(r#"{{"Records":[{RECORD}]}}"#),
            format!(r#"{{"x":1,"Records": [ {RECORD} ] }}"#),
            format!(r#"{{"records":[{RECORD}]}}"#),
            format!(
                r#"{{"version":"0","detail-type":"AWS API Call","source":"aws.iam","detail":{RECORD}}}"#
            ),
            format!(
                r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{"id":"1","message":{quoted}}}]}}"#
            ),
            format!(r#"{{"Events":[{{"EventId":"e-1","CloudTrailEvent":{quoted}}}]}}"#),
            format!(r#"{{"Type":"Notification","Message":{quoted}}}"#),
            format!(r#"{{"schema":{{"type":"struct"}},"payload":{RECORD}}}"#),
            format!(r#"{{"schema":null,"payload":{quoted}}}"#),
            format!(r#"{{"@odata.context":"x","value":[{RECORD}]}}"#),
            format!(r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{RECORD}]}}"#),
            format!(r#"{{"cursor":"c","has_more":false,"items":[{RECORD}]}}"#),
            format!(r#"{{"eventType":"com.okta.event_hook","data":{{"events":[{RECORD}]}}}}"#),
            format!(r#"{{"stat":"OK","response":{{"authlogs":[{RECORD}]}}}}"#),
            format!(r#"{{"category":"kube-audit","properties":{{"log":{quoted}}}}}"#),
            format!(r#"{{"time":"x","category":"kube-audit","properties":{{"log":{RECORD}}}}}"#),
            format!(
                r#"{{"message":{{"data":"{}","publishTime":"x"}},"subscription":"s"}}"#,
                STANDARD.encode(RECORD)
            ),
            format!(r#"{{"@timestamp":"x","message":{quoted}}}"#),
            format!(r#"{{"sourcetype":"aws","event":{RECORD},"time":1}}"#),
            twice,
        ] {
            assert_eq!(
                unwrapped(&envelope),
                (vec![RECORD.to_owned()], 0),
                "{envelope}"
            );
        }
    }

    #[test]
    fn envelopes_are_named_from_the_outside() {
        let quoted = serde_json::to_string(RECORD).unwrap();
        let message = serde_json::to_string(&format!(r#"{{"Records":[{RECORD}]}}"#)).unwrap();
        for (document, kinds) in [
            (RECORD.to_owned(), vec![]),
            (
                format!(r#"{{"@timestamp":"x","message":{quoted}}}"#),
                vec!["Logstash or Beats"],
            ),
            (
                format!(r#"{{"Type":"Notification","Message":{message}}}"#),
                vec!["SNS notification", "CloudTrail file"],
            ),
        ] {
            let mut found = Unwrapped::default();
            found.add(document.as_bytes());
            assert_eq!(found.envelopes, kinds, "{document}");
        }
    }

    #[test]
    fn what_is_no_record_is_left_out_and_counted() {
        for document in [
            r#"{"messageType":"CONTROL_MESSAGE","logEvents":[]}"#,
            r#"{"awsAccountId":"1","digestS3Object":"x"}"#,
        ] {
            assert_eq!(unwrapped(document), (vec![], 1));
        }
    }

    #[test]
    fn envelopes_are_opened_three_deep() {
        let mut nested = RECORD.to_owned();
        for _ in 0..5 {
            nested = format!(r#"{{"detail-type":"x","detail":{nested}}}"#);
        }
        let (records, _) = unwrapped(&nested);
        assert!(
            records[0]
                .starts_with(r#"{"detail-type":"x","detail":{"detail-type":"x","detail":{"eventV"#)
        );
    }
}
