//! Invariants of the engine with all its signals, on generated and on arbitrary traffic.

use credwatch::config::{Config, Sources};
use credwatch::shard::{Shard, ShardFactory, ShardId, load_model};
use credwatch::simulation::SimulatedEvent;
use credwatch::simulation::attack::campaign;
use credwatch::simulation::organisation::Organisation;
use credwatch_core::engine::Detail;
use credwatch_core::units::{EventTime, MS_PER_DAY, MS_PER_HOUR};
use credwatch_core::verdict::{EntityView, Verdict};
use proptest::prelude::*;
use serde_json::json;

const START_MS: i64 = 1_767_571_200_000; // Monday 2026-01-05

fn factory(max_identities: usize) -> ShardFactory {
    let mut sources = Sources::default();
    let text = format!("[detect]\nmax_identities = {max_identities}\n");
    sources.files.push(("test".to_owned(), text));
    let config = Config::load(&sources).unwrap();
    let model = load_model(&config).unwrap();
    ShardFactory::new(&config, model, 1)
}

fn cold(max_identities: usize) -> Shard {
    factory(max_identities).shard(ShardId::of_identities(0))
}

fn judge(shard: &mut Shard, json: &[u8]) -> Verdict {
    shard
        .handle(json, 0, None, Detail::Explained)
        .unwrap()
        .step
        .verdict
        .unwrap()
}

fn at(day: i64, hour: i64) -> EventTime {
    EventTime::from_epoch_ms(START_MS + day * MS_PER_DAY + hour * MS_PER_HOUR).unwrap()
}

/// Ordinary days of an organisation, with its changes.
fn ordinary(organisation: &mut Organisation, days: i64) -> Vec<SimulatedEvent> {
    (0..days)
        .flat_map(|day| organisation.day(at(day, 0)))
        .collect()
}

#[test]
fn the_same_log_gives_the_same_bits() {
    let mut organisation = Organisation::new(42, 60);
    let events = ordinary(&mut organisation, 8);
    let run = || -> Vec<Verdict> {
        let mut shard = cold(10_000);
        events
            .iter()
            .map(|event| judge(&mut shard, &event.event.to_json()))
            .collect()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_duplicate_is_scored_and_changes_nothing() {
    let mut organisation = Organisation::new(43, 60);
    let events = ordinary(&mut organisation, 6);
    let (mut once, mut twice) = (cold(10_000), cold(10_000));
    for simulated in &events {
        let json = simulated.event.to_json();
        let verdict = judge(&mut once, &json);
        assert_eq!(verdict, judge(&mut twice, &json));
        judge(&mut twice, &json);
    }
    assert_eq!(twice.health().duplicates, events.len() as u64);
}

#[test]
fn late_events_do_not_move_time_back() {
    let mut organisation = Organisation::new(44, 60);
    let events = ordinary(&mut organisation, 10);
    let mut shard = cold(10_000);
    for simulated in &events {
        judge(&mut shard, &simulated.event.to_json());
    }
    let mut disturbed = shard.clone();
    for (at, simulated) in events.iter().rev().take(50).enumerate() {
        let mut late = simulated.event.clone();
        late.event_id = Some(format!("late-{at}"));
        late.time = Some("2026-01-06T03:00:00Z".to_owned());
        assert!(
            judge(&mut disturbed, &late.to_json())
                .score_nats
                .is_finite()
        );
    }
    let next = organisation.day(at(10, 0));
    let mut apart = 0;
    for simulated in &next {
        let json = simulated.event.to_json();
        let (calm, after) = (judge(&mut shard, &json), judge(&mut disturbed, &json));
        apart += usize::from((calm.score_nats - after.score_nats).abs() > 3.0);
    }
    assert!(
        apart * 50 < next.len(),
        "{apart} of {} verdicts differ",
        next.len()
    );
}

#[test]
fn at_capacity_memory_is_bounded_and_every_event_is_scored() {
    let mut shard = cold(200);
    let mut sizes = Vec::new();
    for n in 0..20_000usize {
        let event = json!({
            "event_id": format!("e{n}"), "time": START_MS + n as i64 * 1_000,
            "identity": {"id": format!("id-{}", n % 5_000), "kind": "service"}, "activity": "use",
            "credential": {"id": format!("c{n}"), "kind": "access_token"},
            "action": "s3:GetObject", "source": {"host": "h", "ip": "10.0.0.1"},
        });
        assert!(
            judge(&mut shard, event.to_string().as_bytes())
                .score_nats
                .is_finite()
        );
        if n % 5_000 == 4_999 {
            sizes.push(shard.health().state_bytes);
        }
    }
    let health = shard.health();
    assert_eq!(health.identities, 200);
    assert!(health.evicted > 0);
    assert!(sizes[3] <= sizes[1] + sizes[1] / 10, "{sizes:?}");
}

#[test]
fn a_patient_attacker_does_not_poison_the_baseline() {
    let mut organisation = Organisation::new(45, 120);
    let mut events = ordinary(&mut organisation, 36);
    events.extend(campaign(&mut organisation, "slow_burn", at(35, 10)));
    events.sort_by_key(|event| event.time);
    let mut shard = cold(10_000);
    let mut alerted = 0;
    for simulated in &events {
        let handled = shard
            .handle(&simulated.event.to_json(), 0, None, Detail::Score)
            .ok()
            .map(|h| h.step);
        let is_act = simulated.attack.is_some() && simulated.time >= at(35, 0);
        let threshold = shard.health().threshold_nats;
        alerted += usize::from(is_act && handled.unwrap().score_nats >= threshold);
    }
    assert!(
        alerted >= 2,
        "{alerted} of the three acts reach the threshold"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_events_give_finite_probabilities(
        steps in prop::collection::vec(
            (0i64..90_000_000, 0u8..4, 0u8..6, any::<u32>(), 0u8..3, -90.0f64..90.0, 0i64..4_000_000),
            1..80,
        )
    ) {
        let mut shard = cold(16);
        let mut now = START_MS;
        for (at, (gap, who, what, address, outcome, latitude, life)) in steps.into_iter().enumerate() {
            now += gap;
            let activity = ["use", "authenticate", "issue", "refresh", "rotate", "revoke"][what as usize];
            let outcome_text = ["success", "failure", "denied"][outcome as usize];
            let event = json!({
                "event_id": format!("e{at}"), "time": now, "activity": activity,
                "identity": {"id": format!("i{who}"), "kind": "human"},
                "credential": {"id": format!("c{}", who % 2), "kind": "session", "issued_at": now,
                    "expires_at": now - 1_000_000 + life},
                "action": format!("a{}", address % 50), "resource": format!("r{address}"),
                "source": {"ip": std::net::Ipv4Addr::from(address).to_string(),
                    "host": format!("h{}", address % 9),
                    "latitude": latitude, "longitude": 2.0 * latitude},
                "outcome": outcome_text,
            });
            let verdict = judge(&mut shard, event.to_string().as_bytes());
            prop_assert!(verdict.score_nats.is_finite() && verdict.event_nats >= 0.0);
            for signal in verdict.signals {
                prop_assert!(signal.reading.p > 0.0 && signal.reading.p <= 1.0);
                prop_assert!(!signal.explanation.sentence.is_empty());
            }
        }
    }
}

/// The saved and restored state of a shard.
fn left_and_reopened(shard: &Shard, factory: &ShardFactory) -> (Shard, Vec<u8>) {
    let mut left = Vec::new();
    shard.save(&mut left).unwrap();
    let reopened = factory
        .reopen(EntityView::Identity, left.as_slice())
        .unwrap();
    assert_eq!(reopened.next_offset(), shard.next_offset());
    (reopened, left)
}

#[test]
fn a_restored_shard_continues_bit_for_bit() {
    let mut organisation = Organisation::new(49, 60);
    let mut events = ordinary(&mut organisation, 12);
    let attack = campaign(&mut organisation, "guessed_password", at(11, 11));
    let end = events.partition_point(|event| event.time < attack[0].time);
    events.splice(end..end, attack);
    // Fewer places than identities, so that the hand of eviction is kept too.
    for max_identities in [10_000, 40] {
        let factory = factory(max_identities);
        let mut undisturbed = factory.shard(ShardId::of_identities(0));
        let mut restored = factory.shard(ShardId::of_identities(0));
        for (at, event) in events.iter().enumerate() {
            if at % (events.len() / 5) == 7 {
                let (shard, left) = left_and_reopened(&restored, &factory);
                restored = shard;
                assert!(
                    left == left_and_reopened(&restored, &factory).1,
                    "the same bytes"
                );
            }
            let json = event.event.to_json();
            let step = |shard: &mut Shard| {
                let handled = shard
                    .handle(&json, at as i64, None, Detail::Explained)
                    .unwrap();
                let alerts = handled.step.alerts;
                let published = shard.output_records(&alerts, None, Some(&json));
                let payloads: Vec<Vec<u8>> = published.into_iter().map(|p| p.payload).collect();
                (handled.step.verdict, payloads)
            };
            assert_eq!(step(&mut undisturbed), step(&mut restored));
        }
        assert!(
            undisturbed.health().incidents > 0,
            "a case is among what was kept"
        );
    }
}

/// Everything that a shard publishes while the wall clock of its host says what `clock` says.
fn published(clock: impl Fn(usize) -> EventTime) -> Vec<(String, serde_json::Value)> {
    let mut shard = cold(1_000);
    let mut organisation = Organisation::new(7, 40);
    let mut events = ordinary(&mut organisation, 16);
    let attack = campaign(&mut organisation, "service_key_abroad", at(15, 9));
    events.extend(attack);
    let mut published = Vec::new();
    for (offset, event) in events.iter().enumerate() {
        let json = event.event.to_json();
        let handled = shard
            .handle(&json, offset as i64, None, Detail::Score)
            .unwrap();
        let outputs = shard.output_records(&handled.step.alerts, Some(clock(offset)), Some(&json));
        published.extend(outputs.iter().map(|output| {
            let payload = serde_json::from_slice(&output.payload).unwrap();
            (format!("{:?} {:?}", output.stream, output.headers), payload)
        }));
    }
    published
}

#[test]
fn a_clock_jump_affects_the_times_of_orders_only() {
    let steady = published(|_| at(16, 0));
    let set = published(|offset| at(if offset % 2 == 0 { 300 } else { 1 }, 0));
    assert_eq!(steady.len(), set.len());
    let mut orders = 0;
    for ((what, mut steady), (what_set, mut set)) in steady.into_iter().zip(set) {
        assert_eq!(what, what_set);
        if steady["issued_at"].is_string() {
            orders += usize::from(steady["issued_at"] != set["issued_at"]);
            for dated in ["issued_at", "not_after"] {
                (steady[dated], set[dated]) = (json!(null), json!(null));
            }
        }
        assert_eq!(steady, set);
    }
    assert!(orders > 0, "orders are issued by the clock");
}
