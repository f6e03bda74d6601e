//! Containment under load: limits hold under mass attack, protected identities are only alerted on, failures
//! go to a person, and orders that await approval can be approved.

use crate::common::{START_MS, make_key, native};
use credwatch::audit::audit_verifier::ChainVerifier;
use credwatch::config::{Config, Sources};
use credwatch::feedback::model::{ContainmentCommand, Feedback};
use credwatch::shard::partitioner::partition_of;
use credwatch::shard::{OutputRecord, Shard, ShardFactory, ShardId, Stream, load_model};
use credwatch_core::containment::issued_orders::OrderOutcome;
use credwatch_core::engine::{Detail, Phase};
use credwatch_core::verdict::EntityView;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SLOT_MS: i64 = 8 * 3_600_000;

/// Shards that enforce, with more settings of containment, and a key of their own.
fn factory(partitions: u32, containment: &str) -> ShardFactory {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    make_key(&key);
    let text = format!(
        "[containment]\nmode = \"enforce\"\n{containment}\n[signing]\nkey_file = \"{}\"\n\
         issuer = \"https://credwatch.test\"\naudience = \"https://executor.test\"\n\
         [detect]\nalerts_per_day = 5000\n",
        key.display()
    );
    let sources = Sources {
        files: vec![("test.toml".to_owned(), text)],
        environment: Vec::new(),
    };
    let config = Config::load(&sources).unwrap();
    ShardFactory::new(&config, load_model(&config).unwrap(), partitions)
}

fn shards(partitions: u32, containment: &str) -> Vec<Shard> {
    let factory = factory(partitions, containment);
    let ids = (0..partitions as i32).map(ShardId::of_identities);
    ids.map(|id| factory.shard(id)).collect()
}

fn take(shards: &mut [Shard], event: &Value, published: &mut Vec<OutputRecord>) -> usize {
    let key = event["identity"]["id"].as_str().unwrap();
    let at = partition_of(key.as_bytes(), shards.len() as i32) as usize;
    let shard = &mut shards[at];
    let record = event.to_string().into_bytes();
    let handled = shard.handle(&record, shard.next_offset(), None, Detail::Score);
    let alerts = handled.unwrap().step.alerts;
    published.extend(shard.output_records(&alerts, None, Some(&record)));
    alerts
        .iter()
        .filter(|alert| alert.phase == Phase::Opened)
        .count()
}

fn learn(shards: &mut [Shard], identities: usize, slots: i64) {
    let mut published = Vec::new();
    for slot in 0..slots {
        for identity in 0..identities {
            let index = slot as usize * identities + identity;
            let at_ms = START_MS + slot * SLOT_MS + identity as i64 * 10;
            take(
                shards,
                &native(index, &format!("svc-{identity}"), at_ms),
                &mut published,
            );
        }
    }
}

/// The `nth` activity of the thief of an identity's key: each thief has a location and tools of its own.
fn theft(identity: usize, nth: usize, slot: i64) -> Value {
    let at_ms = START_MS + slot * SLOT_MS + identity as i64 * 10 + nth as i64 * 20_000;
    let mut event = native(
        90_000_000 + identity * 100 + nth,
        &format!("svc-{identity}"),
        at_ms,
    );
    event["action"] = json!(["iam:CreateAccessKey", "cloudtrail:StopLogging"][nth % 2]);
    event["source"] = json!({"host": format!("vps{identity}"), "asn": 100_000 + identity,
        "ip": format!("{}.{}.{}.9", 11 + identity % 83, identity / 256 % 256, identity % 256),
        "user_agent": format!("tool{}x/1", letters(identity))});
    event
}

fn letters(mut number: usize) -> String {
    let mut text = String::new();
    for _ in 0..4 {
        text.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
    }
    text
}

fn orders(published: &[OutputRecord]) -> Vec<Value> {
    of(published, Stream::Revocations)
}

fn of(published: &[OutputRecord], stream: Stream) -> Vec<Value> {
    let records = published.iter().filter(|record| record.stream == stream);
    records
        .map(|record| serde_json::from_slice(&record.payload).unwrap())
        .collect()
}

fn acting(order: &&Value) -> bool {
    order["action"] != "notify"
}

#[test]
fn under_mass_attack_no_limit_is_exceeded_and_everything_is_recorded() {
    let mut shards = shards(4, "max_per_hour = 20\nmax_share = 0.05");
    learn(&mut shards, 10_000, 30);
    let (mut published, mut opened) = (Vec::new(), 0);
    for nth in 0..2 {
        for identity in 0..10_000 {
            opened += take(&mut shards, &theft(identity, nth, 30), &mut published);
        }
    }
    assert!(opened >= 9_000, "{opened} alerts");
    let orders = orders(&published);
    let contained: Vec<&Value> = orders.iter().filter(acting).collect();
    assert_eq!(contained.len(), 20, "contained within the hour");
    assert!(contained.iter().all(|order| order["mode"] == "enforce"));
    let is_held = |order: &&Value| order["weakened_by"].to_string().contains("rate_cap");
    assert!(orders.iter().filter(is_held).count() >= 9_000);
    let mut walk = ChainVerifier::default();
    let trail = published
        .iter()
        .filter(|record| record.stream == Stream::Decisions);
    trail.for_each(|record| walk.verify(&record.payload).unwrap());
    assert_eq!(
        walk.records(),
        orders.len() as u64,
        "each decision is in the trail"
    );
    assert!(orders.len() >= opened);
}

#[test]
fn the_share_of_identities_under_containment_is_limited() {
    let mut shards = shards(2, "max_per_hour = 1000000\nmax_share = 0.08");
    learn(&mut shards, 1_000, 30);
    let mut published = Vec::new();
    for nth in 0..2 {
        for identity in 0..1_000 {
            take(&mut shards, &theft(identity, nth, 30), &mut published);
        }
    }
    let orders = orders(&published);
    let contained = orders.iter().filter(acting);
    let contained: BTreeSet<String> = contained
        .map(|order| order["identity"]["id"].to_string())
        .collect();
    assert!(
        (70..=80).contains(&contained.len()),
        "{} of 1,000",
        contained.len()
    );
    assert!(
        orders
            .iter()
            .any(|order| order["weakened_by"] == json!(["blast_radius"]))
    );
}

#[test]
fn a_protected_identity_under_attack_is_only_alerted_on() {
    let mut shards = shards(1, "protected = [\"svc-3\"]\nmax_share = 1.0");
    learn(&mut shards, 50, 200);
    let mut published = Vec::new();
    for nth in 0..30 {
        take(&mut shards, &theft(3, nth, 200), &mut published);
    }
    let orders = orders(&published);
    assert!(!orders.is_empty() && orders.iter().all(|order| order["action"] == "notify"));
    assert!(
        orders
            .iter()
            .any(|order| order["weakened_by"] == json!(["protected"])),
        "{orders:?}"
    );
    let alerts = of(&published, Stream::Alerts);
    assert!(alerts.iter().any(|alert| alert["severity"] == "Critical"));
}

/// One shard after the theft of a key, with the last order that requests more than a notification.
fn ordered(containment: &str) -> (Shard, Value) {
    let mut shards = shards(1, &format!("max_share = 1.0\n{containment}"));
    learn(&mut shards, 50, 200);
    let mut published = Vec::new();
    for nth in 0..4 {
        take(&mut shards, &theft(3, nth, 200), &mut published);
    }
    let order = orders(&published)
        .into_iter()
        .rfind(|order| acting(&order))
        .unwrap();
    (shards.remove(0), order)
}

fn answered(shard: &mut Shard, offset: i64, answer: Feedback) -> Option<(Vec<Value>, Vec<Value>)> {
    let answer = Feedback {
        by: "executor".to_owned(),
        ..answer
    };
    let published = shard.apply_feedback(&answer, (0, offset), None)?;
    Some((orders(&published), of(&published, Stream::Decisions)))
}

fn outcome(order: &Value, outcome: OrderOutcome) -> Feedback {
    Feedback {
        order_id: Some(order["order_id"].as_str().unwrap().to_owned()),
        outcome: Some(outcome),
        took_ms: Some(41),
        ..Feedback::default()
    }
}

#[test]
fn a_failure_goes_to_a_person_and_never_to_a_stronger_action() {
    let (mut shard, order) = ordered("");
    assert_eq!(
        (&order["action"], &order["mode"]),
        (&json!("rotate"), &json!("enforce"))
    );
    let (next, said) = answered(&mut shard, 0, outcome(&order, OrderOutcome::Failed)).unwrap();
    assert_eq!(said[0]["entry"]["type"], "containment_failed");
    assert_eq!(said[0]["entry"]["took_ms"], 41);
    assert_eq!((next.len(), &next[0]["action"]), (1, &json!("notify")));
    let policy = next[0]["policy"].as_str().unwrap();
    assert!(policy.starts_with("after rotate failed"), "{policy}");
    // Repeated, or from another executor, it changes nothing.
    let (again, said) = answered(&mut shard, 3, outcome(&order, OrderOutcome::Failed)).unwrap();
    assert_eq!((again.len(), said.len()), (0, 1));
    assert!(
        answered(
            &mut shard,
            4,
            Feedback {
                order_id: Some("unknown".to_owned()),
                ..outcome(&order, OrderOutcome::Done)
            }
        )
        .is_none()
    );
}

#[test]
fn success_closes_an_order_and_a_rejection_goes_to_a_person() {
    let (mut shard, order) = ordered("");
    let (next, said) = answered(&mut shard, 0, outcome(&order, OrderOutcome::Done)).unwrap();
    assert_eq!(
        (next.len(), &said[0]["entry"]["type"]),
        (0, &json!("containment_done"))
    );
    let (mut shard, order) = ordered("");
    let (next, _) = answered(&mut shard, 0, outcome(&order, OrderOutcome::Refused)).unwrap();
    assert_eq!((&next[0]["action"], next.len()), (&json!("notify"), 1));
}

#[test]
fn an_order_awaiting_approval_is_enforced_once_approved_unless_paused() {
    let approve = |order: &Value| Feedback {
        approve: Some(order["order_id"].as_str().unwrap().to_owned()),
        ..Feedback::default()
    };
    let (mut shard, order) = ordered("require_approval_from = \"rotate\"");
    assert_eq!(
        (&order["mode"], &order["weakened_by"]),
        (&json!("dry_run"), &json!(["approval_required"]))
    );
    let (given, said) = answered(&mut shard, 0, approve(&order)).unwrap();
    assert_eq!(
        (&given[0]["mode"], &given[0]["action"]),
        (&json!("enforce"), &json!("rotate"))
    );
    assert!(
        given[0]["policy"]
            .as_str()
            .unwrap()
            .starts_with("approved by executor")
    );
    assert_ne!(given[0]["order_id"], order["order_id"]);
    assert_eq!(said[0]["entry"]["type"], "approved");
    let (again, _) = answered(&mut shard, 1, approve(&order)).unwrap();
    assert!(again.is_empty(), "once");

    let (mut shard, order) = ordered("require_approval_from = \"rotate\"");
    let pause = Feedback {
        containment: Some(ContainmentCommand::Pause),
        ..Feedback::default()
    };
    answered(&mut shard, 0, pause).unwrap();
    let (given, _) = answered(&mut shard, 1, approve(&order)).unwrap();
    assert_eq!(
        (&given[0]["mode"], &given[0]["weakened_by"]),
        (&json!("dry_run"), &json!(["paused"]))
    );
}

#[test]
fn approval_does_not_override_later_protection() {
    let approve = |order: &Value| Feedback {
        approve: Some(order["order_id"].as_str().unwrap().to_owned()),
        ..Feedback::default()
    };
    let (shard, order) = ordered("require_approval_from = \"rotate\"");
    let mut state = Vec::new();
    shard.save(&mut state).unwrap();
    let since = "max_share = 1.0\nrequire_approval_from = \"rotate\"\nprotected = [\"svc-3\"]";
    let taken_up = factory(1, since).reopen(EntityView::Identity, state.as_slice());
    let (given, _) = answered(&mut taken_up.unwrap(), 0, approve(&order)).unwrap();
    assert_eq!(given[0]["action"], "notify");
    assert_eq!(given[0]["weakened_by"], json!(["protected"]));
}

#[test]
fn the_audit_trail_holds_the_hash_of_the_record_behind_a_decision() {
    let mut shards = shards(1, "max_share = 1.0");
    learn(&mut shards, 50, 200);
    let mut published = Vec::new();
    let records: Vec<Value> = (0..4).map(|nth| theft(3, nth, 200)).collect();
    for event in &records {
        take(&mut shards, event, &mut published);
    }
    let decisions = of(&published, Stream::Decisions);
    assert!(!decisions.is_empty());
    for decision in decisions {
        let entry = &decision["entry"];
        let record = records
            .iter()
            .find(|record| record["event_id"] == entry["event_id"])
            .unwrap();
        let hash = blake3::hash(record.to_string().as_bytes()).to_hex();
        assert_eq!(entry["record_hash"], format!("blake3:{hash}"));
    }
}
