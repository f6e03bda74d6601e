//! The interface of the engine: accessors, replay guard, checkpoints without changes, unused privileges.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use credwatch_core::containment::guardrail::Guardrails;
use credwatch_core::containment::policy::{Policy, Rule};
use credwatch_core::containment::{Action, Mode};
use credwatch_core::engine::{
    Detail, Engine, Phase, RecordKey, Settings, SourcePosition, StepOutput,
};
use credwatch_core::event::{Activity, Credential, CredentialKind, Event, Identity, IdentityKind};
use credwatch_core::units::{EventTime, MS_PER_DAY, MS_PER_HOUR};
use credwatch_core::verdict::AlertVerdict;
use std::sync::Arc;

const START_MS: i64 = 1_767_571_200_000;

fn at(ms: i64) -> EventTime {
    EventTime::from_epoch_ms(START_MS + ms).unwrap()
}

fn settings() -> Settings {
    let rule = Rule::new("all: revoke", &[], Action::Revoke);
    Settings {
        model_hash: "hash".into(),
        policy: Arc::new(Policy(vec![rule])),
        guardrails: Guardrails {
            mode: Mode::Enforce,
            ..Guardrails::default()
        },
        ..Settings::default()
    }
}

fn event<'a>(id: &'a str, identity: &'a str, ms: i64, action: &'a str) -> Event<'a> {
    let identity = Identity {
        id: identity.into(),
        kind: IdentityKind::Service,
        group: None,
        owner: None,
    };
    let mut event = Event::new(id.into(), at(ms), identity, Activity::Use);
    event.action = Some(action.into());
    event.source.host = Some("build-17".into());
    event
}

fn step(engine: &mut Engine, event: &Event<'_>, offset: i64) -> StepOutput {
    let position = SourcePosition {
        topic: "events".into(),
        partition: 0,
        offset,
        record_time: None,
    };
    engine.step(event, engine.keys(event), &position, Detail::Explained)
}

/// Hourly uses of `action` from `from_hour` to `to_hour`.
fn run(engine: &mut Engine, identity: &str, action: &str, from_hour: i64, to_hour: i64) {
    for hour in from_hour..to_hour {
        let id = format!("{identity}-{hour}");
        step(
            engine,
            &event(&id, identity, hour * MS_PER_HOUR, action),
            hour,
        );
    }
}

/// An engine with an open alert on `svc`, which used a credential days after its expiry, and the output that
/// opened the alert.
fn alerted() -> (Engine, StepOutput) {
    let mut engine = Engine::new(settings());
    run(&mut engine, "svc", "s3:GetObject", 0, 21 * 24);
    let mut stolen = event("stolen", "svc", 21 * MS_PER_DAY, "s3:GetObject");
    stolen.source.host = Some("vps-9".into());
    stolen.credential = Some(Credential {
        id: "token".into(),
        kind: Some(CredentialKind::AccessToken),
        issuer: None,
        issued_at: None,
        expires_at: Some(at(7 * MS_PER_DAY)),
        scopes: Vec::new(),
    });
    let output = step(&mut engine, &stolen, 10_000);
    (engine, output)
}

fn records(engine: &Engine) -> Vec<(RecordKey, Vec<u8>)> {
    let mut records = Vec::new();
    engine
        .save(&mut |key, bytes| {
            records.push((key, bytes.unwrap().to_vec()));
            Ok(())
        })
        .unwrap();
    records
}

fn restored(engine: &Engine) -> Engine {
    let mut restore = Engine::restore(settings());
    for (key, bytes) in records(engine) {
        restore.apply(key, &bytes).unwrap();
    }
    restore.finish().unwrap()
}

#[test]
fn accessors_agree_with_health_and_settings() {
    let mut engine = Engine::new(settings());
    run(&mut engine, "svc-1", "s3:GetObject", 0, 100);
    run(&mut engine, "svc-2", "s3:GetObject", 50, 100);
    let health = engine.health();
    assert_eq!((engine.entities(), health.identities), (2, 2));
    assert_eq!(engine.now(), at(99 * MS_PER_HOUR));
    assert_eq!(engine.model_hash(), "hash");
    let learned = engine.threshold_learned_share();
    assert!((learned - health.threshold_learned_share).abs() < 1e-12);
    assert!(learned > 0.0 && learned < 1.0, "{learned}");
    assert!((engine.threshold_nats() - health.threshold_nats).abs() < 1e-12);
}

#[test]
fn an_alert_carries_its_id_and_the_activity_of_its_event() {
    let (_, output) = alerted();
    let alert = output.alerts.first().unwrap();
    assert_eq!(alert.phase, Phase::Opened);
    let verdict = output.verdict.unwrap();
    assert_eq!(verdict.alert_id.as_deref(), Some(&*alert.incident.alert_id));
    let context = alert.context.as_ref().unwrap();
    assert_eq!(context.action.as_deref(), Some("s3:GetObject"));
    assert_eq!(context.host.as_deref(), Some("vps-9"));
}

#[test]
fn a_closed_alert_is_not_the_alert_of_later_events() {
    let (mut engine, output) = alerted();
    let id = output.alerts[0].incident.alert_id.clone();
    engine.apply_alert_verdict(&id, AlertVerdict::Expected);
    let later = event("later", "svc", 22 * MS_PER_DAY, "s3:GetObject");
    let verdict = step(&mut engine, &later, 10_001).verdict.unwrap();
    assert_eq!(verdict.alert_id, None);
}

#[test]
fn a_signed_message_is_accepted_once_across_a_restore() {
    let mut engine = Engine::new(settings());
    assert!(engine.accept_once([9; 16], [1; 16], 1_000_000));
    assert!(!engine.accept_once([9; 16], [1; 16], 1_000_000));
    assert!(engine.accept_once([9; 16], [2; 16], 1_000_001));
    let mut engine = restored(&engine);
    assert!(!engine.accept_once([9; 16], [2; 16], 1_000_001), "a replay");
    assert!(engine.accept_once([9; 16], [3; 16], 1_000_002));
    assert!(
        !engine.accept_once([9; 16], [4; 16], 1_000_002 - 86_400),
        "stale"
    );
    assert!(engine.accept_once([9; 16], [5; 16], 1_000_002 - 86_399));
}

fn checkpoint(engine: &mut Engine, is_committed: bool) -> usize {
    let mut written = 0;
    let mut sink = |_, _: Option<&[u8]>| {
        written += 1;
        Ok(())
    };
    engine.begin_checkpoint(&mut sink).unwrap();
    assert!(
        engine
            .write_checkpoint_chunk(usize::MAX, &mut sink)
            .unwrap()
    );
    match is_committed {
        true => engine.commit_checkpoint(),
        false => engine.abort_checkpoint(),
    }
    written
}

#[test]
fn a_committed_checkpoint_is_not_written_again_and_an_aborted_one_is() {
    let mut engine = Engine::new(settings());
    engine.track_changes();
    run(&mut engine, "svc-1", "s3:GetObject", 0, 10);
    let first = checkpoint(&mut engine, false);
    assert_eq!(
        checkpoint(&mut engine, true),
        first,
        "aborted: written again"
    );
    let unchanged = checkpoint(&mut engine, true);
    assert!(unchanged < first, "{unchanged} of {first} records");
}

#[test]
fn an_erased_identity_leaves_no_baseline_incident_or_order() {
    let (mut engine, _) = alerted();
    assert_eq!(engine.health().open_alerts, 1);
    assert_eq!(engine.health().open_orders, 1);
    assert!(engine.forget("svc"));
    assert!(!engine.forget("svc"), "nothing is left to erase");
    let health = engine.health();
    assert_eq!(
        (health.identities, health.open_alerts, health.open_orders),
        (0, 0, 0)
    );
}

#[test]
fn privileges_are_unused_after_days_without_use() {
    let mut engine = Engine::new(settings());
    run(&mut engine, "svc", "iam:PassRole", 0, 48);
    run(&mut engine, "svc", "s3:GetObject", 48, 20 * 24);
    let unused = engine.hygiene(10);
    assert_eq!(unused.len(), 1);
    assert_eq!(unused[0].identity, "svc");
    assert_eq!(unused[0].still_used, ["s3:GetObject"]);
    let actions: Vec<_> = unused[0]
        .actions
        .iter()
        .map(|(action, day)| (&**action, day.day()))
        .collect();
    assert_eq!(actions, [("iam:PassRole", at(MS_PER_DAY).day())]);
    assert!(engine.hygiene(18).is_empty(), "used 18 days ago");
    assert!(!engine.hygiene(17).is_empty());
}

#[test]
fn identities_with_the_same_habits_are_named_as_peers() {
    let mut engine = Engine::new(settings());
    let peers = |engine: &Engine, of: &str| engine.learned_peers(of);
    for identity in ["svc-a", "svc-b", "svc-c"] {
        run(&mut engine, identity, "s3:GetObject", 0, 20);
        assert_eq!(peers(&engine, identity), None, "too young");
        run(&mut engine, identity, "s3:GetObject", 20, 5 * 24);
    }
    run(&mut engine, "other", "iam:PassRole", 0, 5 * 24);
    let of_a = peers(&engine, "svc-a").expect("its group is learned");
    assert_eq!(of_a.identities, 2);
    assert_eq!(of_a.sample, ["svc-b", "svc-c"]);
    assert_eq!(peers(&engine, "other").map(|of| of.identities), Some(0));
}

#[test]
fn a_network_is_usual_for_those_who_use_it() {
    let mut engine = Engine::new(settings());
    for (number, identity) in ["svc-a", "svc-b"].into_iter().enumerate() {
        let mut event = event(identity, identity, 0, "s3:GetObject");
        event.source.ip = Some(std::net::IpAddr::from([203, 0, 113, number as u8]));
        step(&mut engine, &event, number as i64);
    }
    let users = |ip: [u8; 4]| engine.users_of_network(ip.into());
    assert_eq!(users([203, 0, 113, 77]).sample, ["svc-a", "svc-b"]);
    assert_eq!(users([203, 0, 114, 77]).identities, 0);
}

#[test]
fn a_rotation_is_overdue_once_it_is_later_than_the_intervals_before_it() {
    let rotated_every_week = |days_in_use: i64| {
        let mut engine = Engine::new(settings());
        for day in 0..=days_in_use {
            let id = format!("{day}");
            let mut event = event(&id, "svc", day * MS_PER_DAY, "s3:GetObject");
            if day % 7 == 0 && day <= 21 {
                event.activity = Activity::Rotate;
            }
            step(&mut engine, &event, day);
        }
        let hygiene = engine.hygiene(u16::MAX);
        hygiene.first().and_then(|of| of.overdue_rotation)
    };
    assert_eq!(rotated_every_week(21 + 9), None, "two days late");
    let overdue = rotated_every_week(21 + 14).expect("a week late");
    assert_eq!(overdue.last, at(21 * MS_PER_DAY));
    assert!(overdue.due < at(32 * MS_PER_DAY), "{:?}", overdue.due);
}
