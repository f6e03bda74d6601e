//! Records without value, and records that the broker deleted before they were read.

use crate::broker::support::{Running, Setup, admin, block_on, wait_until};
use crate::common::{START_MS, credwatch, native};
use rdkafka::TopicPartitionList;
use rdkafka::admin::AdminOptions;
use rdkafka::topic_partition_list::Offset;
use serde_json::Value;

fn event(index: usize) -> (String, Vec<u8>) {
    let event = native(index, "svc-1", START_MS + index as i64 * 60_000);
    ("svc-1".to_owned(), event.to_string().into_bytes())
}

/// Deletes the records of partition 0 before `offset`, as retention does.
fn delete_before(topic: &str, offset: i64) {
    let mut before = TopicPartitionList::new();
    let added = before.add_partition_offset(topic, 0, Offset::Offset(offset));
    added.unwrap();
    let deleted = block_on(admin().delete_records(&before, &AdminOptions::new()));
    deleted.unwrap();
}

fn gaps_in_audit(setup: &Setup) -> Vec<Value> {
    let decisions = setup.read("decisions").into_iter();
    let entries = decisions.map(|record| record.value["entry"].clone());
    entries
        .filter(|entry| entry["type"] == "retention_gap")
        .collect()
}

fn assert_reports(running: &Running, topic: &str, words: &str, records: f64) {
    wait_until(words, || running.log_text().contains(words));
    let labels = format!("partition=\"0\",topic=\"{topic}\"");
    let counted = running.metric("credwatch_records_deleted_unread_total", &labels);
    assert!((counted - records).abs() < 0.5, "{counted}");
}

#[test]
fn tombstones_are_passed_over_and_counted() {
    let setup = Setup::new("tombstones", 1, "native");
    // Each worker reads all feedback: one worker of either view.
    let one_worker = setup.folder.path().join("one-worker.toml");
    std::fs::write(&one_worker, "[kafka]\nworkers = 1\n").unwrap();
    let running = setup.start_with("one", &["--config", one_worker.to_str().unwrap()]);
    let some = |(key, value)| (key, Some(value));
    let records = || [some(event(0)), ("svc-1".to_owned(), None), some(event(1))];
    setup.produce_optional("events", records());
    running.wait_for("detect", 3);
    setup.produce_optional("raw", records());
    running.wait_for("ingest", 3);
    running.wait_for("detect", 5);
    let tombstones =
        |stage: &str| running.metric("credwatch_tombstones_total", &format!("stage=\"{stage}\""));
    for stage in ["detect", "ingest"] {
        wait_until(stage, || tombstones(stage) > 0.5);
    }
    for count in [2.0, 4.0] {
        setup.produce_optional("feedback", [("alert".to_owned(), None)]);
        wait_until("feedback", || tombstones("feedback") >= count);
        let counted = tombstones("feedback");
        assert!(
            (counted - count).abs() < 0.5,
            "a record was read again: {counted}"
        );
    }
    assert_eq!(running.terminate(), Some(0));
    assert!(setup.read("deadletter").is_empty());
    let running = setup.start("two");
    setup.produce("events", [event(2)]);
    running.wait_for("detect", 1);
    assert!(running.log_text().contains("0 events replayed"));
    running.kill();
}

#[test]
fn events_deleted_before_they_were_read_are_reported_in_numbers() {
    let setup = Setup::new("retention", 1, "native");
    let topic = setup.topic("events");
    setup.produce("events", (0..200).map(event));
    let running = setup.start("one");
    running.wait_for("detect", 200);
    assert_eq!(running.terminate(), Some(0));
    setup.produce("events", (200..700).map(event));
    delete_before(&topic, 601);
    let running = setup.start("two");
    let words = format!(
        "offsets 200 to 600 of {topic}-0 were deleted before they were read: 401 events were not judged"
    );
    assert_reports(&running, &topic, &words, 401.0);
    running.wait_for("detect", 99);
    wait_until("the audit record", || gaps_in_audit(&setup).len() == 1);
    assert_eq!(running.terminate(), Some(0));
    let entry = &gaps_in_audit(&setup)[0];
    assert_eq!(entry["events_not_judged"], 401);
    assert_eq!(entry["reason"], words.as_str());
    verify_audit(&setup);
    let running = setup.start("three");
    setup.produce("events", [event(700)]);
    running.wait_for("detect", 1);
    assert!(!running.log_text().contains("were deleted"));
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(gaps_in_audit(&setup).len(), 1);
}

#[test]
fn raw_records_deleted_before_they_were_read_are_reported() {
    let setup = Setup::new("retention-raw", 1, "native");
    let topic = setup.topic("raw");
    let running = setup.start("one");
    setup.produce("raw", (0..10).map(event));
    running.wait_for("ingest", 10);
    assert_eq!(running.terminate(), Some(0));
    setup.produce("raw", (10..60).map(event));
    delete_before(&topic, 40);
    let running = setup.start("two");
    let words = format!("offsets 10 to 39 of {topic}-0 were deleted before they were read");
    assert_reports(&running, &topic, &words, 30.0);
    running.wait_for("ingest", 20);
    wait_until("the audit record", || gaps_in_audit(&setup).len() == 1);
    assert_eq!(running.terminate(), Some(0));
    let entry = &gaps_in_audit(&setup)[0];
    assert_eq!(entry["topic"], topic.as_str());
    assert_eq!(entry["events_not_judged"], 30);
    let running = setup.start("three");
    setup.produce("raw", [event(60)]);
    running.wait_for("ingest", 1);
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(gaps_in_audit(&setup).len(), 1, "a gap is audited once");
    // Nothing follows this one: its end is committed with its report.
    setup.produce("raw", (61..70).map(event));
    delete_before(&topic, 70);
    let running = setup.start("four");
    wait_until("the second", || gaps_in_audit(&setup).len() == 2);
    assert_eq!(running.terminate(), Some(0));
    let running = setup.start("five");
    setup.produce("raw", [event(70)]);
    running.wait_for("ingest", 1);
    assert!(!running.log_text().contains("were deleted"));
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(gaps_in_audit(&setup).len(), 2);
    verify_audit(&setup);
}

/// The audit trail as a file passes `credwatch verify audit`.
fn verify_audit(setup: &Setup) {
    let trail = setup.folder.path().join("audit.jsonl");
    let lines = setup.read("decisions").into_iter();
    let lines: Vec<u8> = lines
        .flat_map(|record| [record.raw, b"\n".to_vec()].concat())
        .collect();
    std::fs::write(&trail, lines).unwrap();
    let verified = credwatch().args(["verify", "audit"]).arg(&trail).output();
    assert_eq!(verified.unwrap().status.code(), Some(0));
}
