//! From raw records to alerts and orders; complete accounting; two instances; orderly shutdown.

use crate::broker::support::{Read, Setup, files_of, kcat, wait_until};
use crate::common::{START_MS, cloudtrail_files, get, json_lines, native, native_log, real_logs};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What must be the same however the events came: all but the offsets in the events topic.
fn substance(alert: &Value) -> String {
    let mut alert = alert.clone();
    alert["unmapped"]["credwatch"]["source"] = Value::Null;
    alert.to_string()
}

fn sorted(alerts: impl Iterator<Item = String>) -> Vec<String> {
    let mut alerts: Vec<String> = alerts.collect();
    alerts.sort();
    alerts
}

/// Equality that tells only the first difference.
fn assert_same(ours: &[String], theirs: &[String]) {
    let counts = (ours.len(), theirs.len());
    if let Some((our, their)) = ours.iter().zip(theirs).find(|(our, their)| our != their) {
        panic!("{counts:?} alerts; by Kafka:\n{our}\nby replay:\n{their}");
    }
    assert_eq!(counts.0, counts.1);
}

fn header<'r>(record: &'r Read, name: &str) -> &'r str {
    let found = record.headers.iter().find(|(key, _)| key == name);
    found.map_or("", |(_, value)| value.as_str())
}

/// How many records the documents of `files` hold, counted without the product.
fn records_in(files: &[PathBuf]) -> usize {
    let count = |path: &PathBuf| -> usize {
        let text = std::fs::read_to_string(path).unwrap();
        match serde_json::from_str::<Value>(&text).unwrap() {
            Value::Array(records) => records.len(),
            Value::Object(bag) if bag.contains_key("Records") => {
                bag["Records"].as_array().unwrap().len()
            }
            _ => 1,
        }
    };
    files.iter().map(count).sum()
}

/// Raw files by kcat through both stages, against a replay of the same files.
fn raw_files_give_the_same_as_replay(name: &str, files: &[PathBuf]) {
    let partitions = 4;
    let setup = Setup::new(name, partitions, "cloudtrail");
    kcat(&setup.topic("raw"), files);
    let running = setup.start("one");
    let records = records_in(files);
    running.wait_for("ingest", files.len());
    // A commit is done before its markers stand in every partition.
    let mut events = setup.read("events");
    wait_until("every record is accounted for", || {
        events = setup.read("events");
        let accounted = events.len() + setup.read("deadletter").len();
        assert!(accounted <= records, "{accounted} of {records}");
        accounted == records
    });
    // Events and sightings are counted as one, so that a count of records does not tell that all were judged.
    let replayed = setup.replay(partitions, files);
    let expected = json_lines(&replayed.join("alerts")).len();
    wait_until("every alert of the replay is published", || {
        setup.read("alerts").len() >= expected
    });
    assert_eq!(running.terminate(), Some(0));

    let (alerts, orders) = (setup.read("alerts"), setup.read("revocations"));
    assert!(
        !alerts.is_empty() && !orders.is_empty(),
        "the input holds attacks"
    );
    assert_same(
        &sorted(alerts.iter().map(|alert| substance(&alert.value))),
        &sorted(json_lines(&replayed.join("alerts")).iter().map(substance)),
    );
    let ids = |orders: &mut dyn Iterator<Item = Value>| -> Vec<String> {
        sorted(orders.map(|order| order["order_id"].to_string()))
    };
    assert_eq!(
        ids(&mut orders.iter().map(|order| order.value.clone())),
        ids(&mut json_lines(&replayed.join("orders")).into_iter()),
    );
    for alert in &alerts {
        let subject = &alert.value["unmapped"]["credwatch"]["identity"]["id"];
        assert_eq!(subject, alert.key.as_str());
        assert_eq!(header(alert, "ce_specversion"), "1.0");
        assert_eq!(header(alert, "ce_id"), alert.value["metadata"]["uid"]);
    }
}

#[test]
fn generated_cloudtrail_gives_the_same_as_replay() {
    let folder = tempfile::tempdir().unwrap();
    for (at, file) in cloudtrail_files(9).iter().enumerate() {
        let path = folder.path().join(format!("{at:03}.json"));
        std::fs::write(path, file.to_string()).unwrap();
    }
    raw_files_give_the_same_as_replay("made-up", &files_of(folder.path()));
}

#[test]
fn real_cloudtrail_gives_the_same_as_replay() {
    let (Some(quiet), Some(loud)) = (
        real_logs("cloudtrail-attack-sim"),
        real_logs("stratus-detonations"),
    ) else {
        return;
    };
    let mut files = files_of(Path::new(&quiet));
    files.extend(files_of(&loud));
    // Files whose names state a time are replayed in the order of time; a topic has the order of its
    // producer.
    let folder = tempfile::tempdir().unwrap();
    for (at, file) in files.iter().enumerate() {
        std::fs::copy(file, folder.path().join(format!("{at:04}.json"))).unwrap();
    }
    raw_files_give_the_same_as_replay("real", &files_of(folder.path()));
}

#[test]
fn two_instances_share_the_partitions_and_publish_nothing_twice() {
    let setup = Setup::new("two", 4, "native");
    let events = native_log(40, 3);
    let keyed = |events: &[Value]| -> Vec<(String, Vec<u8>)> {
        let key = |event: &Value| event["identity"]["id"].as_str().unwrap().to_owned();
        events
            .iter()
            .map(|event| (key(event), event.to_string().into_bytes()))
            .collect()
    };
    let (first, second) = events.split_at(events.len() / 2);
    let one = setup.start("one");
    setup.produce("events", keyed(first));
    one.wait_for("detect", first.len());
    let two = setup.start("two");
    let assigned = |running: &crate::broker::support::Running| {
        running.metric("credwatch_assigned_partitions", "")
    };
    // Four of events and of sightings between both; the one raw partition is with either.
    wait_until("half of the partitions each", || {
        let (here, there) = (assigned(&one), assigned(&two));
        here + there >= 9.0 && here.min(there) >= 4.0 && here.max(there) <= 5.0
    });
    setup.produce("events", keyed(second));
    wait_until("both halves together", || {
        let taken = |running: &crate::broker::support::Running| {
            running.metric("credwatch_records_total", "stage=\"detect\"")
        };
        assert!(
            taken(&one) + taken(&two) <= events.len() as f64,
            "a record was taken twice"
        );
        taken(&one) + taken(&two) >= events.len() as f64
    });
    assert_eq!(get(&two.address, "/readyz").0, 200);
    assert_eq!(one.terminate(), Some(0));
    assert_eq!(two.terminate(), Some(0));
    let alerts = setup.read("alerts");
    assert!(!alerts.is_empty(), "the theft is seen");
    let publications: BTreeSet<String> = alerts
        .iter()
        .map(|alert| alert.value["metadata"]["uid"].to_string())
        .collect();
    assert_eq!(publications.len(), alerts.len(), "a publication came twice");
}

#[test]
fn committed_records_are_not_read_again() {
    let setup = Setup::new("again", 2, "native");
    let record = |index: usize| {
        let event = native(index, "svc-1", START_MS + index as i64 * 60_000);
        ("svc-1".to_owned(), event.to_string().into_bytes())
    };
    setup.produce("events", (0..500).map(record));
    let running = setup.start("one");
    running.wait_for("detect", 500);
    assert_eq!(running.terminate(), Some(0));
    setup.produce("events", (500..510).map(record));
    let running = setup.start("one");
    running.wait_for("detect", 10);
    let log = running.log_text();
    assert!(
        log.contains("shard restored: 1 baselines, 0 events replayed"),
        "{log}"
    );
    assert!((running.metric("credwatch_records_total", "stage=\"detect\"") - 10.0).abs() < 0.5);
    running.kill();
}

#[test]
fn malformed_records_are_dead_letters_and_the_rest_is_processed() {
    let setup = Setup::new("garbage", 1, "native");
    let good = |index: usize| {
        let event = native(index, "svc-1", START_MS + index as i64 * 60_000);
        ("svc-1".to_owned(), event.to_string().into_bytes())
    };
    let bad = crate::common::garbage();
    let mut records = vec![good(0)];
    records.extend(bad.iter().map(|(_, bytes)| (String::new(), bytes.clone())));
    records.push(good(1));
    setup.produce("events", records);
    let running = setup.start("one");
    running.wait_for("detect", bad.len() + 2);
    assert_eq!(running.terminate(), Some(0));
    let dead = setup.read("deadletter");
    assert_eq!(dead.len(), bad.len());
    for (at, dead_letter) in dead.iter().enumerate() {
        assert!(
            !header(dead_letter, "credwatch_reason").is_empty(),
            "{}",
            bad[at].0
        );
        assert_eq!(
            header(dead_letter, "credwatch_topic"),
            setup.topic("events")
        );
        assert_eq!(
            header(dead_letter, "credwatch_offset"),
            (at + 1).to_string()
        );
    }
}

#[test]
fn missing_topics_are_named_with_the_remedy() {
    let setup = Setup::without_topics("missing", 1, "native");
    let running = setup.start("one");
    // Each part of the service complains of the topics that it needs.
    let events = setup.topic("events");
    wait_until("the complaint", || {
        let log = running.log_text();
        let mut lines = log.lines();
        lines.any(|line| line.contains("credwatch topics create") && line.contains(&events))
    });
    assert_eq!(get(&running.address, "/readyz").0, 503);
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn differing_topics_are_reported() {
    let setup = Setup::new("differs", 3, "native");
    let again = crate::common::credwatch()
        .args(["topics", "create", "--config"])
        .arg(&setup.config)
        .env("CREDWATCH_TOPICS__PARTITIONS", "5")
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(1));
    let output_text = crate::common::text(&again.stdout);
    assert!(
        output_text.contains("has 3 partitions, topics.partitions says 5"),
        "{output_text}"
    );
}

#[test]
fn a_stop_while_it_starts_is_orderly() {
    let setup = Setup::without_topics("stopped", 1, "native");
    // It states its address before its stages have started.
    assert_eq!(setup.start("one").terminate(), Some(0));
}
