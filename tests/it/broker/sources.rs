//! The source view over all partitions: every authentication has exactly one sighting, and a spray is one
//! alert, even when the service is killed.

use crate::broker::support::{Setup, wait_until};
use crate::common::credwatch;
use crate::common::logins::{Logins, SPRAYED_SUCCESSES};
use serde_json::Value;
use std::collections::BTreeSet;

const PARTITIONS: usize = 4;

fn keyed(event: &Value) -> (String, Vec<u8>) {
    let key = event["identity"]["id"].as_str().unwrap().to_owned();
    (key, event.to_string().into_bytes())
}

#[test]
fn a_spray_over_all_partitions_is_one_alert_across_a_kill() {
    let setup = Setup::new("spray", PARTITIONS, "native");
    let mut logins = Logins::new(9);
    let mut events = logins.ordinary_days(12);
    let before = events.len();
    events.extend(logins.spray());
    setup.produce("events", events[..before].iter().map(keyed));
    let running = setup.start("one");
    wait_until("it has begun", || !setup.read("sightings").is_empty());
    running.kill();
    let running = setup.start("one");
    setup.produce("events", events[before..].iter().map(keyed));
    wait_until("part of the spray is read", || {
        setup.read("sightings").len() > before + 500
    });
    running.kill();
    let running = setup.start("two");
    // A commit is done before its markers stand in every partition.
    wait_until("every authentication is seen at its source", || {
        setup.read("sightings").len() >= events.len()
    });
    setup.wait_until_committed(PARTITIONS as i32);
    assert_eq!(running.terminate(), Some(0));

    let sightings = setup.read("sightings");
    let seen: BTreeSet<&str> = sightings
        .iter()
        .map(|sighting| sighting.value["event_id"].as_str().unwrap())
        .collect();
    assert_eq!((sightings.len(), seen.len()), (events.len(), events.len()));
    let mut by_network: BTreeSet<(&str, i32)> = BTreeSet::new();
    by_network.extend(sightings.iter().map(|s| (s.key.as_str(), s.partition)));
    assert_eq!(by_network.len(), 2, "each network has one partition");

    let alerts = setup.read("alerts");
    let of_source = alerts
        .iter()
        .filter(|alert| alert.value["unmapped"]["credwatch"]["view"] == "source");
    let of_source: Vec<&Value> = of_source.map(|alert| &alert.value).collect();
    let opened = of_source.iter().filter(|alert| alert["activity_id"] == 1);
    let opened: Vec<String> = opened
        .map(|alert| alert["finding_info"]["title"].to_string())
        .collect();
    assert_eq!(opened.len(), 1, "one alert: {opened:?}");
    let last = of_source.last().unwrap();
    let reached = last["unmapped"]["credwatch"]["reached"].as_array().unwrap();
    let reached: BTreeSet<&str> = reached
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(reached, BTreeSet::from(SPRAYED_SUCCESSES));
    let orders = setup.read("revocations");
    let ordered: BTreeSet<&str> = orders.iter().map(|order| order.key.as_str()).collect();
    // Each is decided on by its own evidence, which after twelve days not every one has.
    assert!(!ordered.is_empty() && ordered.is_subset(&BTreeSet::from(SPRAYED_SUCCESSES)));
    let ids: Vec<String> = orders
        .iter()
        .map(|o| o.value["order_id"].to_string())
        .collect();
    let distinct: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(ids.len(), distinct.len(), "no order comes twice");
    assert_audit_holds(&setup);
}

fn assert_audit_holds(setup: &Setup) {
    let path = setup.folder.path().join("decisions");
    let lines = setup.read("decisions").into_iter();
    let lines: Vec<Vec<u8>> = lines
        .map(|decision| [&*decision.raw, b"\n"].concat())
        .collect();
    std::fs::write(&path, lines.concat()).unwrap();
    let output = credwatch()
        .args(["verify", "audit"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}
