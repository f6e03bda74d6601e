//! Pausing containment: enforcement stops within seconds, stays paused across a kill, resumes on command,
//! and all of it is in the audit trail.

use crate::broker::support::{Running, Setup, TOKEN, wait_until};
use crate::common::{START_MS, credwatch, native};
use serde_json::{Value, json};

const PARTITIONS: usize = 2;
const IDENTITIES: usize = 12;
const SLOT_MS: i64 = 1_800_000;

fn keyed(event: &Value) -> (String, Vec<u8>) {
    let key = event["identity"]["id"].as_str().unwrap().to_owned();
    (key, event.to_string().into_bytes())
}

/// Ordinary half hours `from` to `to`, and then a theft of the credential of `victim`.
fn until_theft(from: i64, to: i64, victim: usize) -> Vec<Value> {
    let mut events = Vec::new();
    for slot in from..to {
        for identity in 0..IDENTITIES {
            let index = slot as usize * IDENTITIES + identity;
            let at_ms = START_MS + slot * SLOT_MS + identity as i64 * 1_000;
            events.push(native(index, &format!("svc-{identity}"), at_ms));
        }
    }
    let after_ms = START_MS + to * SLOT_MS - 600_000;
    for (nth, action) in ["iam:CreateAccessKey", "cloudtrail:StopLogging"]
        .iter()
        .enumerate()
    {
        let at_ms = after_ms + nth as i64 * 20_000;
        let country = ["RO", "SG", "BR"][victim % 3];
        let mut event = native(900_000 + victim * 10 + nth, &format!("svc-{victim}"), at_ms);
        event["action"] = json!(action);
        event["source"] = json!({"host": format!("vps-{victim}"), "ip": format!("203.0.{victim}.9"),
            "country": country, "asn": 9_000 + victim, "user_agent": format!("tool{victim}/1")});
        events.push(event);
    }
    events
}

fn order_of(setup: &Setup, victim: usize) -> Value {
    let key = format!("svc-{victim}");
    let mut found = None;
    wait_until("the order", || {
        let mut orders = setup.read("revocations").into_iter().rev();
        found = orders
            .find(|order| order.key == key)
            .map(|order| order.value);
        found.is_some()
    });
    found.unwrap()
}

fn wait_until_paused(running: &Running, is_paused: bool) {
    let shards = if is_paused { 2 * PARTITIONS } else { 0 };
    wait_until("the switch", || {
        let owned = running.metric("credwatch_assigned_partitions", "");
        let paused = running.metric("credwatch_containment_paused", "");
        owned >= 2.0 * PARTITIONS as f64 && (paused - shards as f64).abs() < 0.5
    });
}

#[test]
fn a_pause_stops_enforcement_until_it_is_resumed() {
    let setup = Setup::new("switch", PARTITIONS, "native");
    setup.enforce();
    let running = setup.start("one");
    setup.produce("events", until_theft(0, 400, 1).iter().map(keyed));
    assert_eq!(order_of(&setup, 1)["mode"], "enforce");

    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let pause = |token: &str, body: &str| {
        let url = format!("http://{}/v1/containment/pause", running.address);
        let request = agent
            .post(url)
            .header("authorization", format!("Bearer {token}"));
        let sent = request.content_type("application/json").send(body);
        sent.unwrap().status().as_u16()
    };
    let who = r#"{"by":"ada","reason":"wrong people"}"#;
    assert_eq!(pause("guessed", who), 401);
    assert_eq!(pause(TOKEN, r#"{"by":" "}"#), 422);
    assert_eq!(pause(TOKEN, who), 200);
    wait_until_paused(&running, true);
    setup.produce("events", until_theft(400, 440, 2).iter().map(keyed));
    let order = order_of(&setup, 2);
    assert_eq!(order["mode"], "dry_run");
    assert!(
        order["weakened_by"].to_string().contains("paused"),
        "{order}"
    );

    running.kill();
    let running = setup.start("one");
    wait_until_paused(&running, true);
    let resumed = credwatch()
        .args(["containment", "resume", "--by", "bo", "--config"])
        .arg(&setup.config)
        .output()
        .unwrap();
    assert!(resumed.status.success(), "{resumed:?}");
    wait_until_paused(&running, false);
    setup.produce("events", until_theft(440, 480, 3).iter().map(keyed));
    assert_eq!(order_of(&setup, 3)["mode"], "enforce");
    assert_eq!(running.terminate(), Some(0));

    let decisions = setup.read("decisions");
    for (what, by) in [("containment_paused", "ada"), ("containment_resumed", "bo")] {
        let said = decisions.iter().filter(|decision| {
            decision.value["entry"]["type"] == what && decision.value["entry"]["by"] == by
        });
        assert_eq!(said.count(), 2 * PARTITIONS, "{what}, once a shard");
    }
}
