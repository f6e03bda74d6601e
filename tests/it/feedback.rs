//! Verdicts of analysts are learned and can be withdrawn, and queries change nothing.

use credwatch::config::{Config, Sources};
use credwatch::shard::{Shard, ShardFactory, ShardId, load_model};
use credwatch_core::engine::{Alert, Detail, FeedbackEffect, Phase};
use credwatch_core::verdict::AlertVerdict;
use serde_json::{Value, json};

const START_MS: i64 = 1_767_571_200_000; // Monday 2026-01-05
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A shard that has seen twenty people at work for four weeks.
fn learned() -> Shard {
    let config = Config::load(&Sources::default()).unwrap();
    let mut shard = ShardFactory::new(&config, load_model(&config).unwrap(), 1)
        .shard(ShardId::of_identities(0));
    work(&mut shard, 0, 28);
    shard
}

/// Ordinary days of everyone, from day `from` until before day `until`.
fn work(shard: &mut Shard, from: i64, until: i64) {
    for hour in from * 10..until * 10 {
        for who in 0..20 {
            let at = START_MS + hour / 10 * DAY_MS + (8 + hour % 10) * HOUR_MS + who * 1_000;
            step(shard, &ordinary(who, at));
        }
    }
}

fn event(who: i64, at_ms: i64, host: &str, asn: u32, client: &str) -> Value {
    json!({
        "event_id": format!("{who}-{at_ms}-{host}"), "time": at_ms, "activity": "use",
        "identity": {"id": format!("user-{who}"), "kind": "human", "group": "finance"},
        "credential": {"id": format!("s-{who}"), "kind": "session", "issuer": "sso"},
        "action": "s3:GetObject", "resource": "arn:aws:s3:::books/a",
        "source": {"host": host, "ip": format!("10.0.{}.7", asn % 200), "asn": asn, "user_agent": client},
    })
}

fn ordinary(who: i64, at_ms: i64) -> Value {
    event(who, at_ms, &format!("laptop-{who}"), 64_601, "Firefox/132")
}

/// What a thief of the session of user 3 does at `hour` of day `day`.
fn theft(day: i64, hour: i64, at: i64) -> Value {
    let at_ms = START_MS + day * DAY_MS + hour * HOUR_MS + at * 20_000;
    event(3, at_ms, "vps-77", 9_009, "python-requests/2.31")
}

fn step(shard: &mut Shard, event: &Value) -> (f64, Vec<Alert>) {
    let bytes = event.to_string().into_bytes();
    let output = shard.handle(&bytes, 0, None, Detail::Score).unwrap().step;
    (output.score_nats, output.alerts)
}

fn opened(shard: &mut Shard, day: i64, hour: i64) -> Option<String> {
    let alerts = (0..5).flat_map(|at| step(shard, &theft(day, hour, at)).1);
    let mut opened = alerts.filter(|alert| alert.phase == Phase::Opened);
    opened.next().map(|alert| alert.incident.alert_id)
}

fn hosts(shard: &Shard) -> String {
    let report = shard.profile_report("user-3").unwrap();
    let habits: Vec<String> = report.habits.into_iter().map(|(_, words)| words).collect();
    habits.join("\n")
}

#[test]
fn a_false_positive_closes_the_alert_and_is_learned() {
    let mut shard = learned();
    let alert_id = opened(&mut shard, 28, 9).unwrap();
    let closing = shard
        .apply_alert_verdict(&alert_id, AlertVerdict::FalsePositive)
        .alert()
        .cloned()
        .unwrap();
    assert_eq!(
        (closing.phase, closing.incident.closed),
        (Phase::Closed, true)
    );
    for hour in 10..18 {
        assert_eq!(
            opened(&mut shard, 28, hour),
            None,
            "alerted again at {hour}"
        );
    }
    assert!(hosts(&shard).contains("vps-77"), "{}", hosts(&shard));
    // Weeks later, when the case is long forgotten, it is a habit.
    work(&mut shard, 29, 45);
    assert_eq!(opened(&mut shard, 44, 17), None);
}

#[test]
fn without_a_verdict_an_alert_is_not_learned() {
    let mut shard = learned();
    opened(&mut shard, 28, 9).unwrap();
    for hour in 10..18 {
        opened(&mut shard, 28, hour);
    }
    assert!(!hosts(&shard).contains("vps-77"), "{}", hosts(&shard));
}

#[test]
fn a_true_positive_unlearns_the_deviations() {
    let mut shard = learned();
    // Colleagues had used the machine before, so its first use by the victim was believed in part.
    for who in [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 3] {
        let at_ms = START_MS + 27 * DAY_MS + 17 * HOUR_MS + (20 + who) * 60_000;
        let mut early = event(who, at_ms, "vps-77", 64_601, "Firefox/132");
        early["credential"]["id"] = json!("another");
        let alerts = step(&mut shard, &early).1;
        assert!(who != 3 || alerts.is_empty(), "not surprising enough");
    }
    assert!(hosts(&shard).contains("vps-77"));
    let alert_id = opened(&mut shard, 28, 9).unwrap();
    let first = shard.profile_report("user-3").unwrap();
    let effect = shard.apply_alert_verdict(&alert_id, AlertVerdict::TruePositive);
    assert!(
        matches!(effect, FeedbackEffect::Applied),
        "a confirmed alert stays open"
    );
    assert!(!hosts(&shard).contains("vps-77"), "{}", hosts(&shard));
    for at in 0..10 {
        step(
            &mut shard,
            &ordinary(3, START_MS + 28 * DAY_MS + 10 * HOUR_MS + at * 60_000),
        );
    }
    let after = shard.profile_report("user-3").unwrap();
    assert!(
        after.observations <= first.observations,
        "it learned from a stolen session"
    );
    work(&mut shard, 29, 33);
    assert!(
        opened(&mut shard, 33, 9).is_some(),
        "who comes back is news"
    );
}

#[test]
fn a_verdict_can_be_withdrawn() {
    let mut shard = learned();
    let alert_id = opened(&mut shard, 28, 9).unwrap();
    shard.apply_alert_verdict(&alert_id, AlertVerdict::Expected);
    shard.apply_alert_verdict(&alert_id, AlertVerdict::Withdrawn);
    assert!(opened(&mut shard, 33, 9).is_some());
    let unknown = shard.apply_alert_verdict("no such alert", AlertVerdict::Expected);
    assert!(matches!(unknown, FeedbackEffect::NotFound));
}

#[test]
fn scoring_only_gives_the_verdict_and_changes_nothing() {
    let mut shard = learned();
    let bytes = theft(28, 9, 0).to_string().into_bytes();
    let state = |shard: &Shard| {
        let mut bytes = Vec::new();
        shard.save(&mut bytes).unwrap();
        bytes
    };
    let before = state(&shard);
    let (_, considered) = shard.score_only(&bytes).unwrap();
    assert!(state(&shard) == before);
    let output = shard
        .handle(&bytes, 0, None, Detail::Explained)
        .unwrap()
        .step;
    let verdict = output.verdict.unwrap();
    assert!((considered.score_nats - verdict.score_nats).abs() < 0.1);
    let named = |signals: &[credwatch_core::verdict::SignalVerdict]| -> Vec<_> {
        signals.iter().map(|signal| signal.name).collect()
    };
    assert_eq!(named(&considered.signals), named(&verdict.signals));
}
