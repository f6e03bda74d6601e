//! Feedback to a running service: applied at a checkpoint, recorded in the audit trail, and still effective
//! after a kill.

use crate::broker::support::{Setup, wait_until};
use crate::common::{START_MS, credwatch, native, native_log, text};
use serde_json::{Value, json};
use std::process::Output;

fn theft(at: usize, day: i64) -> Value {
    let at_ms = START_MS + day * 86_400_000 + 3_600_000 + at as i64 * 20_000;
    let mut event = native(800_000 + day as usize * 100 + at, "svc-1", at_ms);
    event["source"] = json!({"host": "vps-1", "ip": "203.0.113.9", "country": "RO", "asn": 9009,
        "user_agent": "python-requests/2.31"});
    event
}

fn keyed(events: &[Value]) -> Vec<(String, Vec<u8>)> {
    let key = |event: &Value| event["identity"]["id"].as_str().unwrap().to_owned();
    let record = |event| (key(event), event.to_string().into_bytes());
    events.iter().map(record).collect()
}

fn publish(setup: &Setup, command: &[&str]) -> Output {
    let (verb, rest) = command.split_first().unwrap();
    let output = credwatch()
        .args([verb, "--config"])
        .arg(&setup.config)
        .args(rest)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// Phases of the alerts of an identity, in their order.
fn phases(setup: &Setup, identity: &str) -> Vec<(String, i64)> {
    let alerts = setup.read("alerts").into_iter();
    let of = alerts.filter(|alert| alert.key == identity);
    let phase = |alert: &Value| {
        let id = alert["finding_info"]["uid"].as_str().unwrap().to_owned();
        (id, alert["activity_id"].as_i64().unwrap())
    };
    of.map(|alert| phase(&alert.value)).collect()
}

fn said(setup: &Setup, what: &str) -> Option<Value> {
    let decisions = setup.read("decisions").into_iter();
    let mut entries = decisions.map(|record| record.value["entry"].clone());
    entries.find(|entry| entry["type"] == what)
}

#[test]
fn feedback_is_learned_survives_a_kill_and_is_audited() {
    let setup = Setup::new("answers", 2, "native");
    let mut events = native_log(10, 9);
    events.extend((0..3).map(|at| theft(at, 9)));
    setup.produce("events", keyed(&events));
    let running = setup.start("one");
    running.wait_for("detect", events.len());
    wait_until("the alert", || !phases(&setup, "svc-1").is_empty());
    let (alert, _) = phases(&setup, "svc-1").remove(0);
    let verdict = [
        "--verdict",
        "false_positive",
        "--by",
        "ada",
        "--reason",
        "a new host",
    ];
    publish(
        &setup,
        &[&["feedback", "--alert", &alert], &verdict[..]].concat(),
    );
    wait_until("the answer in the audit trail", || {
        said(&setup, "feedback").is_some()
    });
    let entry = said(&setup, "feedback").unwrap();
    assert_eq!(
        (&entry["by"], &entry["alert_id"]),
        (&json!("ada"), &json!(alert))
    );
    assert_eq!(
        phases(&setup, "svc-1").last(),
        Some(&(alert.clone(), 3)),
        "closed"
    );
    running.kill();

    let again: Vec<Value> = (10..14).map(|at| theft(at, 9)).collect();
    setup.produce("events", keyed(&again));
    let running = setup.start("two");
    setup.wait_until_committed(2);
    assert_eq!(
        phases(&setup, "svc-1").last(),
        Some(&(alert, 3)),
        "accepted is no news"
    );

    publish(&setup, &["forget", "--identity", "svc-2", "--by", "bo"]);
    wait_until("the wish in the audit trail", || {
        said(&setup, "forgotten").is_some()
    });
    let explained = credwatch()
        .env("CREDWATCH_HTTP__TOKEN", crate::broker::support::TOKEN)
        .args(["explain", "--identity", "svc-2", "--url"])
        .arg(format!("http://{}", running.address))
        .output()
        .unwrap();
    assert!(
        text(&explained.stderr).contains("no baseline of `svc-2`"),
        "{explained:?}"
    );
    assert!(
        !said(&setup, "forgotten")
            .unwrap()
            .to_string()
            .contains("svc-2")
    );
    running.kill();
    let running = setup.start("three");
    wait_until("shards are restored", || {
        running.log_text().matches("shard restored").count() >= 2
    });
    assert!(running.log_text().contains("baselines"));
    assert_eq!(running.terminate(), Some(0));
    let left: Vec<_> = setup
        .read("baselines")
        .into_iter()
        .filter(|r| r.raw.is_empty())
        .collect();
    assert_eq!(left.len(), 1, "one tombstone");

    let trail = setup.folder.path().join("audit.jsonl");
    let records = setup.read("decisions");
    let lines: String = records
        .iter()
        .map(|record| text(&record.raw) + "\n")
        .collect();
    std::fs::write(&trail, lines).unwrap();
    let verified = credwatch()
        .args(["verify", "audit"])
        .arg(&trail)
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");
}
