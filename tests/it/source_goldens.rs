//! Records of other systems with the native event that each is.

use crate::common::run;
use credwatch::ingest::expand;
use credwatch::sources::source_format::Format;
use serde_json::Value;

/// Lines of `{"raw":…,"native":…}`, a file for each source.
const SAMPLES: &str = "tests/fixtures/sources/golden";

/// Sources that are read.
const SOURCES: [&str; 14] = [
    "auth0",
    "cloudtrail_faults",
    "duo",
    "entra",
    "gcp",
    "github",
    "google_workspace",
    "kubernetes",
    "ocsf",
    "okta",
    "onepassword",
    "ssh",
    "vault",
    "windows",
];

/// The samples of a file.
fn samples(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(format!("{SAMPLES}/{name}.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn natives(raw: &Value) -> Vec<Value> {
    let raw = match raw {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let expanded = expand(raw.as_bytes(), Format::Auto).records.into_iter();
    let parsed = expanded.map(|record| match record.outcome {
        Ok(native) => serde_json::from_slice(&native.json).unwrap(),
        Err(reason) => Value::String(reason),
    });
    parsed.collect()
}

fn expected(sample: &Value) -> Vec<Value> {
    match &sample["native"] {
        Value::Array(natives) => natives.clone(),
        native => vec![native.clone()],
    }
}

#[test]
fn samples_of_every_source_are_mapped_as_stated() {
    for source in SOURCES {
        for (line, sample) in samples(source).iter().enumerate() {
            let source = format!("{source}, line {}", line + 1);
            assert_eq!(natives(&sample["raw"]), expected(sample), "{source}");
        }
    }
}

#[test]
fn samples_of_every_envelope_are_opened() {
    for sample in samples("envelopes") {
        let envelope = &sample["envelope"];
        assert_eq!(natives(&sample["raw"]), expected(&sample), "{envelope}");
    }
}

#[test]
fn a_mixed_folder_is_inspected_by_source() {
    let folder = tempfile::tempdir().unwrap();
    let okta = r#"{"eventType":"user.session.start","uuid":"u","published":"2026-11-23T08:00:00Z",
        "actor":{"id":"00u1","type":"User"},"outcome":{"result":"SUCCESS"}}"#;
    let limit = okta.replace("user.session.start", "system.org.rate_limit.warning");
    let github =
        r#"{"action":"git.clone","_document_id":"d","@timestamp":1795599600123,"actor":"ada"}"#;
    let indexed = format!(r#"{{"sourcetype":"github","event":{github}}}"#);
    let mixed = format!("{okta}\n{limit}\n{github}\n{{\"eventVersion\":\"1.08\"}}\n{indexed}\n");
    let path = folder.path().join("mixed.json");
    std::fs::write(&path, &mixed).unwrap();
    let output = run(&["--quiet", "inspect", "--json", path.to_str().unwrap()]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |source: &str| {
        let source = &report["sources"][source];
        (source["events"].as_u64(), source["identities"].as_u64())
    };
    assert_eq!(of("okta"), (Some(1), Some(1)));
    assert_eq!(of("github"), (Some(2), Some(1)));
    assert_eq!(report["envelopes"], serde_json::json!({"Splunk": 1}));
    let left_out = &report["left_out"]["okta"]["operation of the service itself"];
    assert_eq!(left_out, 1);
    let rejected = &report["rejected"]["CloudTrail record without `eventName`"];
    assert_eq!(rejected["records"], 1);
    assert!(
        rejected["examples"][0]
            .as_str()
            .unwrap()
            .ends_with("mixed.json record 3")
    );
    let lacking = &report["sources"]["okta"]["signals_without_data"];
    assert_eq!(
        lacking["travel"],
        serde_json::json!(["source.latitude, longitude"])
    );
}
