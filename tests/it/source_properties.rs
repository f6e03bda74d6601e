//! What holds of every adapter, whatever one value of a record is: no identity is made of a word for nothing,
//! no token is published, and the same record gives the same events.

use credwatch::ingest::expand;
use credwatch::sources::native;
use credwatch::sources::source_format::Format;
use credwatch::token_redaction::Redactor;
use serde_json::{Value, json};

const SAMPLES: &str = "tests/fixtures/sources/golden";
/// A token as a header, and one as vendors issue them.
const TOKENS: [&str; 2] = [
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
];

/// Every record of the samples, as JSON, with the name of its source.
fn records() -> Vec<(String, Value)> {
    let mut records = Vec::new();
    for entry in std::fs::read_dir(SAMPLES).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines() {
            let sample: Value = serde_json::from_str(line).unwrap();
            match &sample["raw"] {
                Value::String(_) => {}
                raw => records.push((name.clone(), raw.clone())),
            }
        }
    }
    records
}

/// Paths of all texts in a value.
fn texts(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(path.to_owned()),
        Value::Array(elements) => {
            for (at, element) in elements.iter().enumerate() {
                texts(element, &format!("{path}/{at}"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                texts(member, &format!("{path}/{name}"), found);
            }
        }
        _ => {}
    }
}

/// Calls `check` with every record in which one text was replaced by `with`.
fn for_each_replaced(with: &Value, mut check: impl FnMut(&str, &[u8])) {
    for (source, record) in records() {
        let mut paths = Vec::new();
        texts(&record, "", &mut paths);
        for path in paths {
            let mut changed = record.clone();
            *changed.pointer_mut(&path).unwrap() = with.clone();
            check(&format!("{source}{path}"), changed.to_string().as_bytes());
        }
    }
}

/// The events of a record as they are published.
fn published(record: &[u8]) -> Vec<String> {
    let records = expand(record, Format::Auto).records.into_iter();
    let events = records.filter_map(|record| record.outcome.ok());
    let events = events.filter(|native| native.key.is_some());
    events
        .map(|native| String::from_utf8(native.into_published(&Redactor::default())).unwrap())
        .collect()
}

#[test]
fn no_identity_is_made_of_a_word_for_nothing() {
    let mut found = std::collections::BTreeSet::new();
    for absent in [
        json!(null),
        json!(""),
        json!("-"),
        json!("null"),
        json!("unknown"),
        json!("N/A"),
    ] {
        for_each_replaced(&absent, |at, record| {
            for event in published(record) {
                let event: Value = serde_json::from_str(&event).unwrap();
                let id = event["identity"]["id"].as_str().unwrap().to_lowercase();
                let last = id.rsplit(['/', ':']).next().unwrap();
                let is_nothing = ["", "-", "null", "unknown", "n/a"].contains(&last);
                if is_nothing {
                    found.insert(format!("{at} = {absent}: {id}"));
                }
            }
        });
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_is_published_of_broken_names_can_be_read() {
    for broken in [":", "/", "::", ":x", "x:", "/x", "x/", "@", "a: ", "x:null"] {
        for_each_replaced(&json!(broken), |at, record| {
            for event in published(record) {
                let decoded = native::decode(event.as_bytes(), &Redactor::default());
                assert!(decoded.is_ok(), "{at} = {broken}: {event}");
                let id = &decoded.unwrap().event.identity.id;
                let name = id.rsplit([':', '/']).next().unwrap().trim();
                assert!(!name.is_empty() && name != "null", "{at} = {broken}: {id}");
            }
        });
    }
}

#[test]
fn no_token_is_published_wherever_it_stands() {
    for token in TOKENS {
        for_each_replaced(&json!(token), |at, record| {
            for event in published(record) {
                assert!(!event.contains(token), "{at}: {event}");
            }
        });
    }
}

#[test]
fn the_same_record_gives_the_same_events() {
    for (source, record) in records() {
        let record = record.to_string();
        let (once, again) = (published(record.as_bytes()), published(record.as_bytes()));
        assert_eq!(once, again, "{source}");
    }
}
