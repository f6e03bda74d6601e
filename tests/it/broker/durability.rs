//! Instances are killed, added and moved under load, brokers are restarted: what was committed is what an
//! undisturbed run publishes, byte for byte except for the time of issue.

use crate::broker::support::{Read, Running, Setup, wait_until};
use crate::common::{credwatch, json_lines, text};
use credwatch::simulation::rng::Rng;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PARTITIONS: i32 = 12;

/// Number of faults: ten by default; for a long run see `scripts/soak`.
fn faults() -> usize {
    let count = std::env::var("CREDWATCH_TEST_FAULTS").ok();
    count.map_or(10, |count| count.parse().unwrap())
}

/// Labelled traffic of an organisation under attack.
fn traffic(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("events.jsonl");
    let output = credwatch()
        .args([
            "simulate",
            "--seed",
            "5",
            "--days",
            "22",
            "--identities",
            "60",
            "--out",
        ])
        .arg(&path)
        .arg("--labels")
        .arg(folder.join("labels.jsonl"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    path
}

/// One fault. Two instances run before and after.
fn go_wrong(setup: &Setup, instances: &mut Vec<Running>, dice: &mut Rng, at: usize) {
    let victim = dice.below(instances.len());
    let restart_broker = std::env::var("CREDWATCH_TEST_RESTART_BROKER").ok();
    match (dice.below(4), restart_broker) {
        (0, Some(script)) => {
            let status = Command::new(script).status().unwrap();
            assert!(status.success(), "a broker is restarted");
        }
        // Somebody joins and leaves: everything may move twice.
        (1, _) => {
            let guest = setup.start(&format!("guest-{at}"));
            std::thread::sleep(Duration::from_millis(dice.below(3_000) as u64));
            assert_eq!(guest.terminate(), Some(0));
        }
        // The same instance again, or another one in its place.
        (other, _) => {
            let name = if other == 2 {
                "one".to_owned()
            } else {
                format!("heir-{at}")
            };
            let name = if instances[victim].name() == "two" {
                "two".to_owned()
            } else {
                name
            };
            instances.remove(victim).kill();
            instances.push(setup.start(&name));
        }
    }
}

fn sorted(mut records: Vec<Vec<u8>>) -> Vec<String> {
    records.sort();
    records.iter().map(|record| text(record)).collect()
}

fn lines(path: &Path) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| line.as_bytes().to_vec()).collect()
}

fn assert_same(what: &str, found: &[String], expected: &[String]) {
    let twice = found.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert_eq!(twice, 0, "{what}: published twice");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected, "{what}");
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}

/// An order without its time of issue.
fn undated(order: &Value) -> Vec<u8> {
    let mut order = order.clone();
    for dated in ["issued_at", "not_after", "set"] {
        order[dated] = Value::Null;
    }
    order.to_string().into_bytes()
}

fn is_of_source(alert: &Value) -> bool {
    alert["unmapped"]["credwatch"]["view"] == "source"
}

fn id_of(alert: &Value) -> &str {
    alert["finding_info"]["uid"].as_str().unwrap()
}

/// The audit trail of each partition, in its order.
fn trails<'r>(records: impl Iterator<Item = (i64, &'r [u8])>) -> BTreeMap<i64, Vec<String>> {
    let mut trails: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for (partition, record) in records {
        trails.entry(partition).or_default().push(text(record));
    }
    trails
}

#[test]
fn kills_and_moves_lose_and_repeat_nothing() {
    let setup = Setup::new("faults", PARTITIONS as usize, "native");
    // Limits hold in the broker's time, which a file does not have.
    setup.append("[containment]\nmax_per_hour = 1000000\nmax_share = 1.0\ncooldown_secs = 0\n");
    let log = traffic(setup.folder.path());
    // As they are written: the trail holds the hash of each record that decided something.
    let events = lines(&log);
    let mut dice = Rng::new(11);
    let mut instances = vec![setup.start("one"), setup.start("two")];
    let parts = faults() + 1;
    for (at, part) in events.chunks(events.len().div_ceil(parts)).enumerate() {
        let keyed = part.iter().map(|event| {
            let read: Value = serde_json::from_slice(event).unwrap();
            let key = read["identity"]["id"].as_str().unwrap().to_owned();
            (key, event.clone())
        });
        setup.produce("events", keyed);
        if at + 1 < parts {
            std::thread::sleep(Duration::from_millis(dice.below(300) as u64));
            go_wrong(&setup, &mut instances, &mut dice, at);
        }
    }
    wait_until("partitions are owned again", || {
        let owned = instances
            .iter()
            .map(|i| i.metric("credwatch_assigned_partitions", ""));
        // Of events and of sightings.
        owned.sum::<f64>() >= f64::from(2 * PARTITIONS)
    });
    setup.wait_until_committed(PARTITIONS);
    for instance in instances {
        assert_eq!(instance.terminate(), Some(0));
    }

    let replayed = setup.replay(PARTITIONS as usize, &[log]);
    // Sightings stand in their topic as the partitions of events were read: only the view by identity is
    // the same in every run.
    let alerts = setup.read("alerts");
    let alerts: Vec<&Read> = alerts
        .iter()
        .filter(|read| !is_of_source(&read.value))
        .collect();
    assert!(alerts.len() > 50, "only {} alerts", alerts.len());
    let expected = lines(&replayed.join("alerts")).into_iter();
    let expected = expected.filter(|line| !is_of_source(&serde_json::from_slice(line).unwrap()));
    assert_same(
        "alerts",
        &sorted(alerts.iter().map(|alert| alert.raw.clone()).collect()),
        &sorted(expected.collect()),
    );
    let ids: BTreeSet<&str> = alerts.iter().map(|alert| id_of(&alert.value)).collect();
    let of_identities = |order: &&Value| ids.contains(order["alert_id"].as_str().unwrap());
    let orders: Vec<Value> = setup
        .read("revocations")
        .into_iter()
        .map(|r| r.value)
        .collect();
    let expected = json_lines(&replayed.join("orders"));
    assert_same(
        "orders",
        &sorted(orders.iter().filter(of_identities).map(undated).collect()),
        &sorted(expected.iter().filter(of_identities).map(undated).collect()),
    );
    let decisions = setup.read("decisions");
    let of_identities = |record: &Value| record["view"] == "identity";
    let found = decisions
        .iter()
        .filter(|decision| of_identities(&decision.value))
        .map(|d| (i64::from(d.partition), d.raw.as_slice()));
    let audit = lines(&replayed.join("audit"));
    let expected = audit.iter().filter_map(|line| {
        let record: Value = serde_json::from_slice(line).unwrap();
        let partition = record["partition"].as_i64().unwrap();
        of_identities(&record).then_some((partition, line.as_slice()))
    });
    assert_eq!(trails(found), trails(expected), "audit trail");
}
