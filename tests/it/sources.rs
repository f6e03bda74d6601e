//! The source view: sprays that no identity shows, and shared networks that are not attacks.

use crate::common::logins::{Logins, PEOPLE, SPRAYED_SUCCESSES};
use crate::common::{credwatch, json_lines};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// What a replay of `events` over four partitions publishes: alerts and orders.
fn replay(events: &[Value], more: &[&str]) -> (Vec<Value>, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("events.jsonl");
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(&input, lines).unwrap();
    let at = |name: &str| folder.path().join(name);
    let output = credwatch()
        .args(["replay", "-q", "--partitions", "4", "--alerts"])
        .arg(at("alerts"))
        .arg("--orders")
        .arg(at("orders"))
        .arg("--audit")
        .arg(at("audit"))
        .args(more)
        .arg(&input)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    verify_audit(&at("audit"));
    (json_lines(&at("alerts")), json_lines(&at("orders")))
}

fn verify_audit(path: &Path) {
    let output = credwatch().args(["verify", "audit"]).arg(path).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn of_sources(alerts: &[Value]) -> Vec<&Value> {
    let is_of_source = |alert: &&Value| alert["unmapped"]["credwatch"]["view"] == "source";
    alerts.iter().filter(is_of_source).collect()
}

fn opened(alerts: &[&Value]) -> usize {
    let is_opened = |alert: &&&Value| alert["activity_id"] == 1;
    alerts.iter().filter(is_opened).count()
}

#[test]
fn a_spray_is_one_alert_that_names_whom_it_tried_and_who_logged_in() {
    let mut logins = Logins::new(5);
    let mut events = logins.ordinary_days(12);
    events.extend(logins.spray());
    let (alerts, orders) = replay(&events, &[]);
    let of_sources = of_sources(&alerts);
    assert_eq!(opened(&of_sources), 1, "one source alert");
    let last = of_sources.last().unwrap();
    let details = &last["unmapped"]["credwatch"];
    assert_eq!(details["network"], "203.0.113.0/24");
    let reached = details["reached"].as_array().unwrap().iter();
    let reached: Vec<&str> = reached.map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(
        reached, SPRAYED_SUCCESSES,
        "those that succeeded, and only those"
    );
    let alert_id = &last["finding_info"]["uid"];
    assert!(
        of_sources
            .iter()
            .all(|alert| alert["finding_info"]["uid"] == *alert_id)
    );
    assert!(orders.iter().all(|order| order["alert_id"] != *alert_id));
    let ordered = orders
        .iter()
        .map(|order| order["identity"]["id"].as_str().unwrap());
    let mut ordered: Vec<&str> = ordered.collect();
    ordered.dedup();
    assert!(
        !ordered.is_empty() && ordered.iter().all(|one| SPRAYED_SUCCESSES.contains(one)),
        "those are decided on whose own evidence reaches the threshold: {ordered:?}"
    );
    let attempted = details["attempted"].as_array().unwrap();
    assert!(attempted.len() == 20 && details["has_more_attempted"] == true);
    let others = alerts.len() - of_sources.len();
    assert!(others <= 6, "{others} alerts of identities beside it");
    let techniques = last["finding_info"]["attacks"].to_string();
    assert!(techniques.contains("T1110"), "{techniques}");
}

#[test]
fn a_shared_egress_is_learned_and_a_moved_one_contains_nobody() {
    let mut logins = Logins::new(6);
    let mut events = logins.ordinary_days(20);
    logins.moves_to("198.51.100");
    events.extend(logins.ordinary_days(8));
    let (alerts, orders) = replay(&events, &[]);
    let of_sources = of_sources(&alerts);
    let old = of_sources.iter();
    let old = old.filter(|alert| alert["unmapped"]["credwatch"]["network"] == "10.20.1.0/24");
    assert_eq!(
        old.count(),
        0,
        "{PEOPLE} people behind one address are no news"
    );
    assert!(
        opened(&of_sources) <= 1,
        "the new office is alerted on at most once"
    );
    let is_of_source = |order: &&Value| {
        let mut alerts = of_sources.iter();
        alerts.any(|alert| alert["finding_info"]["uid"] == order["alert_id"])
    };
    let contained: Vec<&Value> = orders
        .iter()
        .filter(is_of_source)
        .filter(|order| order["action"] != "notify")
        .collect();
    assert!(contained.is_empty(), "{contained:?}");
}

#[test]
fn an_outage_is_no_attack_of_the_office_and_hides_none_from_elsewhere() {
    let mut logins = Logins::new(8);
    let mut events = logins.ordinary_days(12);
    events.extend(logins.outage());
    let (alerts, _) = replay(&events, &[]);
    assert_eq!(opened(&of_sources(&alerts)), 0, "{alerts:?}");
    events.extend(logins.spray());
    events.sort_by_key(|event| event["time"].as_i64());
    let (alerts, _) = replay(&events, &[]);
    let of_sources = of_sources(&alerts);
    assert_eq!(opened(&of_sources), 1);
    let details = &of_sources[0]["unmapped"]["credwatch"];
    assert_eq!(details["network"], "203.0.113.0/24");
}

#[test]
fn a_protected_identity_with_a_login_from_the_source_is_only_alerted_on() {
    let mut logins = Logins::new(7);
    let mut events = logins.ordinary_days(12);
    events.extend(logins.spray());
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("credwatch.toml");
    let contained = |orders: &[Value]| -> BTreeSet<String> {
        let acting = orders.iter().filter(|order| order["action"] != "notify");
        acting
            .map(|order| order["identity"]["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let orders_under = |protected: &[&String]| {
        let policy = "[[containment.policy]]\nname = \"all\"\naction = \"step_up\"\n";
        let settings = format!("[containment]\nprotected = {protected:?}\n{policy}");
        std::fs::write(&config, settings).unwrap();
        replay(&events, &["--config", config.to_str().unwrap()]).1
    };
    let unprotected = contained(&orders_under(&[]));
    assert!(!unprotected.is_empty());
    let names: Vec<&String> = unprotected.iter().collect();
    let orders = orders_under(&names);
    assert!(contained(&orders).is_empty());
    let kept = orders
        .iter()
        .filter(|order| order["weakened_by"].to_string().contains("protected"));
    assert!(kept.count() >= unprotected.len());
}

#[test]
fn source_shards_restore_byte_for_byte() {
    let mut logins = Logins::new(8);
    let mut events = logins.ordinary_days(6);
    events.extend(logins.spray());
    let (whole, _) = replay(&events, &[]);
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let mut parts = Vec::new();
    // The second part begins in the middle of the spray.
    for part in events.chunks(events.len() - 700) {
        parts.extend(replay_part(part, state));
    }
    let without_offsets = |alert: &Value| {
        let mut alert = alert.clone();
        alert["unmapped"]["credwatch"]["configuration_hash"] = Value::Null;
        alert.to_string()
    };
    let whole: Vec<String> = whole.iter().map(without_offsets).collect();
    let parts: Vec<String> = parts.iter().map(without_offsets).collect();
    assert_eq!(whole, parts);
}

fn replay_part(events: &[Value], state: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("events.jsonl");
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(&input, lines).unwrap();
    let alerts = folder.path().join("alerts");
    let output = credwatch()
        .args([
            "replay",
            "-q",
            "--partitions",
            "4",
            "--state",
            state,
            "--alerts",
        ])
        .arg(&alerts)
        .arg(&input)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    json_lines(&alerts)
}
