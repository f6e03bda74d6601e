//! At ten times a limit, memory stays flat, useful baselines stay, new identities are scored without one, and
//! that is counted.

use credwatch::config::{Config, Sources};
use credwatch::shard::{Shard, ShardFactory, ShardId, load_model};
use credwatch_core::engine::Detail;
use credwatch_core::verdict::{Level, SignalName, Verdict};
use serde_json::{Value, json};

const START_MS: i64 = 1_767_571_200_000;
const HOUR_MS: i64 = 3_600_000;
const LIMIT: usize = 100;

fn cold() -> Shard {
    let mut sources = Sources::default();
    let text = format!("[detect]\nmax_identities = {LIMIT}\n");
    sources.files.push(("test".to_owned(), text));
    let config = Config::load(&sources).unwrap();
    ShardFactory::new(&config, load_model(&config).unwrap(), 1).shard(ShardId::of_identities(0))
}

fn event(id: &str, at_ms: i64) -> Value {
    json!({
        "event_id": format!("{id}-{at_ms}"), "time": START_MS + at_ms, "activity": "use",
        "identity": {"id": id, "kind": "service", "group": "backend"},
        "credential": {"id": format!("key-{id}"), "kind": "api_key", "issuer": "vault"},
        "action": "s3:GetObject", "resource": "arn:aws:s3:::books/a",
        "source": {"host": "node-1", "ip": "10.0.0.7", "country": "NO", "asn": 64_601},
    })
}

fn judge(shard: &mut Shard, event: &Value) -> Verdict {
    let bytes = event.to_string().into_bytes();
    let output = shard
        .handle(&bytes, 0, None, Detail::Readings)
        .unwrap()
        .step;
    output.verdict.unwrap()
}

/// As many identities as there is room for, at work for a week.
fn full() -> Shard {
    let mut shard = cold();
    for hour in 0..7 * 24 {
        for who in 0..LIMIT as i64 {
            judge(
                &mut shard,
                &event(&format!("known-{who}"), hour * HOUR_MS + who),
            );
        }
    }
    shard
}

#[test]
fn a_flood_of_new_identities_evicts_no_useful_baseline() {
    let mut shard = full();
    let before = shard.health();
    assert_eq!(
        (before.identities, before.evicted, before.without_baseline),
        (LIMIT, 0, 0)
    );
    for n in 0..10 * LIMIT as i64 {
        judge(
            &mut shard,
            &event(&format!("new-{n}"), 7 * 24 * HOUR_MS + n),
        );
    }
    let after = shard.health();
    assert_eq!(
        after.without_baseline,
        10 * LIMIT as u64,
        "and it is counted"
    );
    assert_eq!((after.identities, after.evicted), (LIMIT, 0));
    assert!(after.state_bytes <= before.state_bytes + before.state_bytes / 10);
    for who in 0..LIMIT {
        let report = shard.profile_report(&format!("known-{who}")).unwrap();
        assert!(report.observations > 100.0);
    }
}

#[test]
fn identities_without_baseline_are_scored_against_peers_and_population() {
    let mut shard = full();
    let at_ms = 7 * 24 * HOUR_MS;
    let like_all = judge(&mut shard, &event("new-1", at_ms));
    let mut odd = event("new-2", at_ms + 1);
    odd["action"] = json!("cloudtrail:StopLogging");
    odd["source"]["country"] = json!("RO");
    odd["source"]["asn"] = json!(9_009);
    let odd = judge(&mut shard, &odd);
    assert_eq!(shard.health().without_baseline, 2);
    assert!(like_all.event_nats < 1.0, "{like_all:?}");
    assert!(odd.event_nats > 5.0, "{odd:?}");
    let network = odd
        .signals
        .iter()
        .find(|s| s.name == SignalName::Network)
        .unwrap();
    assert_eq!(network.reading.level, Level::Population);
}

#[test]
fn inactive_identities_are_evicted() {
    let mut shard = full();
    let year_ms = 365 * 24 * HOUR_MS;
    for n in 0..3 * LIMIT as i64 {
        judge(&mut shard, &event(&format!("new-{n}"), year_ms + n));
    }
    let health = shard.health();
    assert_eq!(health.identities, LIMIT);
    assert!(health.evicted >= LIMIT as u64, "{health:?}");
}

#[test]
fn credentials_groups_and_labels_are_bounded() {
    let mut shard = cold();
    let mut sizes = Vec::new();
    for n in 0..30_000i64 {
        let mut event = event(&format!("id-{}", n % 50), n * 1_000);
        event["credential"]["id"] = json!(format!("token-{n}"));
        event["identity"]["group"] = json!(format!("group-{}", n % 12_000));
        event["source"]["host"] = json!(format!("host-{n}"));
        judge(&mut shard, &event);
        if n % 10_000 == 9_999 {
            sizes.push(shard.health().state_bytes);
        }
    }
    let health = shard.health();
    assert!(
        health.credentials <= LIMIT && health.credentials_evicted > 20_000,
        "{health:?}"
    );
    assert!(health.groups <= 1_000, "{health:?}");
    assert!(sizes[2] < 2 * sizes[1], "{sizes:?}");
}
