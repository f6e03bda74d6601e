//! Golden replays: everything that the engine computes for fixed logs, reviewed as a diff.
//!
//! `UPDATE_GOLDEN=1 cargo test -p credwatch-core --test golden` rewrites the files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod log;

use credwatch_core::catalogue::{Abuse, AccessLevel, Catalogue};
use credwatch_core::containment::guardrail::Guardrails;
use credwatch_core::containment::issued_orders::OrderOutcome;
use credwatch_core::containment::policy::{Policy, Rule};
use credwatch_core::containment::{Action, Mode};
use credwatch_core::engine::{
    Alert, Detail, Engine, FeedbackEffect, Health, RecordKey, Settings, SourcePosition, StepOutput,
};
use credwatch_core::event::Event;
use credwatch_core::parameters::Parameters;
use credwatch_core::sighting::Sighting;
use credwatch_core::stats::hash::{HashKey, hash64};
use credwatch_core::verdict::{AlertVerdict, EntityView, Severity, Technique, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    for (action, level) in [
        ("s3:ListBuckets", AccessLevel::List),
        ("s3:GetObject", AccessLevel::Read),
        ("s3:PutObject", AccessLevel::Write),
        ("ec2:CreateTags", AccessLevel::Tagging),
        ("iam:AttachUserPolicy", AccessLevel::Permissions),
        ("cloudtrail:StopLogging", AccessLevel::Write),
    ] {
        catalogue.set_level(action, level);
    }
    for (action, id, name, rarely_legitimate) in [
        (
            "cloudtrail:StopLogging",
            "T1562.008",
            "Impair Defenses: Disable or Modify Cloud Logs",
            true,
        ),
        (
            "iam:AttachUserPolicy",
            "T1098.003",
            "Account Manipulation: Additional Cloud Roles",
            false,
        ),
    ] {
        let technique = Technique { id, name };
        let abuse = Abuse {
            technique,
            rarely_legitimate,
        };
        catalogue.set_abuse(action, abuse);
    }
    catalogue
}

fn policy() -> Policy {
    Policy(vec![
        Rule::new("low", &[Severity::Low], Action::StepUp),
        Rule::new("medium", &[Severity::Medium], Action::Rotate),
        Rule::new("high", &[Severity::High], Action::Revoke),
        Rule::new("critical", &[Severity::Critical], Action::Suspend),
    ])
}

fn settings(entity: EntityView, max_identities: usize) -> Settings {
    Settings {
        entity,
        shards: 2,
        parameters: Arc::new(Parameters::default()),
        catalogue: Arc::new(catalogue()),
        model_hash: "golden".into(),
        alerts_per_day: 2.0,
        max_identities,
        disabled_signals: Vec::new(),
        policy: Arc::new(policy()),
        guardrails: Guardrails {
            mode: Mode::Enforce,
            protected: BTreeSet::from(["person-03".to_owned()]),
            max_per_hour: 3,
            max_share: 0.3,
            cooldown_ms: 1_800_000,
            require_approval_from: Some(Action::Suspend),
            exceptions: Vec::new(),
        },
        hash_key: HashKey::default(),
    }
}

fn position(offset: i64) -> SourcePosition {
    SourcePosition {
        topic: "events".into(),
        partition: 1,
        offset,
        record_time: None,
    }
}

fn write_verdict(out: &mut String, verdict: &Verdict, in_words: bool) {
    for signal in &verdict.signals {
        let reading = signal.reading;
        let _ = write!(
            out,
            " {}:{:.6e}:{}:{:.4}:{:08x}",
            signal.name, reading.p, reading.level, reading.observations, reading.deviation_key
        );
        if in_words {
            let _ = write!(out, "\n      {:?}", signal.explanation);
        }
    }
}

fn write_alert(out: &mut String, alert: &Alert) {
    let incident = &alert.incident;
    let _ = writeln!(
        out,
        "  alert {:?} {} {} score {:.6} threshold {:.6} learned {:.4} severity {} peak {:.5} events {} \
         closed {} opened {} last {} techniques {:?} logins {:?}+{} event {:?} at {:?}",
        alert.phase,
        incident.alert_id,
        incident.subject.id,
        alert.score_nats,
        alert.threshold_nats,
        alert.threshold_learned_share,
        incident.severity,
        incident.peak_nats,
        incident.events,
        incident.closed,
        incident.opened.epoch_ms(),
        incident.last_evidence.epoch_ms(),
        incident
            .techniques
            .iter()
            .map(|t| &t.id)
            .collect::<Vec<_>>(),
        alert
            .visitors
            .logins
            .iter()
            .map(|login| &login.id)
            .collect::<Vec<_>>(),
        alert.visitors.additional_logins,
        alert.event_id,
        alert.position.as_ref().map(|p| p.offset),
    );
    for signal in &incident.signals {
        let _ = writeln!(out, "    {} {:?}", signal.name, signal.explanation);
    }
    for decision in &alert.decisions {
        let _ = writeln!(
            out,
            "    decision {} {} {:?} {} -> {:?}",
            decision.order_id,
            decision.subject.id,
            decision.policy,
            decision.requested_action,
            decision.guarded
        );
    }
}

fn write_step(out: &mut String, event: &Event<'_>, output: &StepOutput) {
    let _ = write!(
        out,
        "{} {} {} {:.6}/{:.6}{}{} {:x}",
        event.event_id,
        event.time.epoch_ms(),
        event.identity.id,
        output.event_nats,
        output.score_nats,
        if output.duplicate { " duplicate" } else { "" },
        if output.is_known_source {
            " known-source"
        } else {
            ""
        },
        output.contributing_signals
    );
    if let Some(verdict) = &output.verdict {
        let mut readings = String::new();
        write_verdict(&mut readings, verdict, output.event_nats > 4.0);
        if output.event_nats > 2.0 {
            out.push_str(&readings);
        } else {
            let _ = write!(out, " #{:016x}", hash64(0, readings.as_bytes()));
        }
    }
    out.push('\n');
    for notice in &output.notices {
        let _ = writeln!(out, "  notice {notice} at {}", notice.time.epoch_ms());
    }
    if let Some(alert) = &output.budget_alert {
        let _ = writeln!(out, "  budget {alert}");
    }
    output
        .alerts
        .iter()
        .for_each(|alert| write_alert(out, alert));
}

fn step(engine: &mut Engine, event: &Event<'_>, offset: i64, out: &mut String) -> StepOutput {
    let keys = engine.keys(event);
    engine.prefetch(&[keys]);
    let output = engine.step(event, keys, &position(offset), Detail::Explained);
    write_step(out, event, &output);
    output
}

fn write_health(out: &mut String, engine: &Engine) {
    // Sizes depend on how far buffers have grown.
    let health = Health {
        state_bytes: 0,
        ..engine.health()
    };
    let _ = writeln!(out, "{:?}", health);
}

fn check(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (at, (expected, found)) in expected.lines().zip(found.lines()).enumerate() {
        assert_eq!(expected, found, "{name}, line {}", at + 1);
    }
    assert_eq!(expected.lines().count(), found.lines().count(), "{name}");
}

#[test]
fn identities() {
    let (mut engine, mut out) = (
        Engine::new(settings(EntityView::Identity, 1_000)),
        String::new(),
    );
    let log = log::events(40);
    for (offset, event) in log.iter().enumerate() {
        step(&mut engine, event, offset as i64, &mut out);
    }
    write_health(&mut out, &engine);
    for id in ["person-01", "person-05", "svc-02", "job-01", "nobody"] {
        let _ = writeln!(out, "{:#?}", engine.profile_report(id));
    }
    let _ = writeln!(out, "{:#?}", engine.hygiene(7));
    let last = log.last().unwrap();
    let _ = writeln!(out, "{:?}", engine.score_only(last));
    check("identities.txt", &out);
}

#[test]
fn at_capacity() {
    let (mut engine, mut out) = (
        Engine::new(settings(EntityView::Identity, 6)),
        String::new(),
    );
    for (offset, event) in log::events(12).iter().enumerate() {
        let output = engine.step(
            event,
            engine.keys(event),
            &position(offset as i64),
            Detail::Score,
        );
        let _ = writeln!(
            out,
            "{} {:.6}/{:.6}",
            event.event_id, output.event_nats, output.score_nats
        );
    }
    write_health(&mut out, &engine);
    check("at_capacity.txt", &out);
}

#[test]
fn sources() {
    let (mut engine, mut out) = (
        Engine::new(settings(EntityView::Source, 1_000)),
        String::new(),
    );
    for (offset, sighting) in log::sightings(16).into_iter().enumerate() {
        let event: Sighting<'_> = sighting.clone();
        let output = engine.step_sighting(&sighting, &position(offset as i64), Detail::Explained);
        write_step(&mut out, &event.into_event(), &output);
    }
    write_health(&mut out, &engine);
    check("sources.txt", &out);
}

#[test]
fn feedback() {
    let (mut engine, mut out) = (
        Engine::new(settings(EntityView::Identity, 1_000)),
        String::new(),
    );
    let mut alerts: Vec<String> = Vec::new();
    let mut orders: Vec<String> = Vec::new();
    let verdicts = [
        AlertVerdict::FalsePositive,
        AlertVerdict::TruePositive,
        AlertVerdict::Expected,
        AlertVerdict::Withdrawn,
    ];
    for (offset, event) in log::events(40).iter().enumerate() {
        let mut step_text = String::new();
        let output = step(&mut engine, event, offset as i64, &mut step_text);
        let _ = writeln!(out, "{} {:.6}", event.event_id, output.score_nats);
        for alert in &output.alerts {
            let id = &alert.incident.alert_id;
            if !alerts.contains(id) {
                alerts.push(id.clone());
                let verdict = verdicts[alerts.len() % 4];
                let effect = engine.apply_alert_verdict(id, verdict);
                write_effect(&mut out, verdict.as_str(), &effect);
            }
            let new = alert.decisions.iter().map(|d| d.order_id.clone());
            orders.extend(new);
        }
        if offset % 97 == 0
            && let Some(order) = orders.pop()
        {
            let outcome = OrderOutcome::ALL[orders.len() % 3];
            write_effect(&mut out, "approve", &engine.approve(&order, "ada"));
            write_effect(
                &mut out,
                outcome.as_str(),
                &engine.record_outcome(&order, outcome),
            );
            write_effect(&mut out, "again", &engine.record_outcome(&order, outcome));
        }
        if offset % 500 == 250 {
            engine.pause(offset % 1_000 == 250, None);
        }
    }
    write_effect(&mut out, "unknown", &engine.approve("no such order", "ada"));
    let unknown = engine.apply_alert_verdict("no such alert", AlertVerdict::Expected);
    write_effect(&mut out, "unknown", &unknown);
    let forgotten = ["person-01", "person-01", "nobody"].map(|id| engine.forget(id));
    let _ = writeln!(
        out,
        "{forgotten:?} {:?}",
        engine.profile_report("person-01")
    );
    write_health(&mut out, &engine);
    check("feedback.txt", &out);
}

fn write_effect(out: &mut String, command: &str, effect: &FeedbackEffect) {
    let name = match effect {
        FeedbackEffect::NotFound => "not found",
        FeedbackEffect::Applied => "applied",
        FeedbackEffect::Publish(_) => "publish",
    };
    let _ = writeln!(out, " {command}: {name}");
    effect
        .alert()
        .into_iter()
        .for_each(|alert| write_alert(out, alert));
}

type Records = BTreeMap<RecordKey, Vec<u8>>;

fn restore(records: &Records, entity: EntityView) -> Engine {
    let mut restore = Engine::restore(settings(entity, 1_000));
    for (key, bytes) in records {
        restore.apply(*key, bytes).unwrap();
    }
    restore.finish().unwrap()
}

fn saved(engine: &Engine) -> Records {
    let mut records = Records::new();
    engine
        .save(&mut |key, bytes| {
            records.insert(key, bytes.unwrap().to_vec());
            Ok(())
        })
        .unwrap();
    records
}

/// Checkpoints that are written in chunks between events, some of them aborted, restore the engine exactly.
#[test]
fn checkpoints_restore_the_engine_exactly() {
    let mut engine = Engine::new(settings(EntityView::Identity, 20));
    engine.track_changes();
    let (mut committed, mut pending) = (Records::new(), Vec::new());
    let mut at_begin = None;
    let log = log::events(20);
    for (offset, event) in log.iter().enumerate() {
        if offset % 61 == 0 {
            pending.clear();
            at_begin = Some(saved(&engine));
            let mut sink = |key, bytes: Option<&[u8]>| {
                pending.push((key, bytes.map(<[u8]>::to_vec)));
                Ok(())
            };
            engine.begin_checkpoint(&mut sink).unwrap();
        }
        engine.step(
            event,
            engine.keys(event),
            &position(offset as i64),
            Detail::Score,
        );
        if offset % 200 == 199 {
            engine.forget(&event.identity.id);
        }
        if let Some(begun) = &at_begin {
            let mut sink = |key, bytes: Option<&[u8]>| {
                pending.push((key, bytes.map(<[u8]>::to_vec)));
                Ok(())
            };
            let is_complete = engine.write_checkpoint_chunk(2_000, &mut sink).unwrap();
            if offset % 61 == 40 && (offset / 61) % 3 == 1 {
                engine.abort_checkpoint();
                at_begin = None;
            } else if is_complete {
                engine.commit_checkpoint();
                for (key, bytes) in pending.drain(..) {
                    match bytes {
                        Some(bytes) => _ = committed.insert(key, bytes),
                        None => _ = committed.remove(&key),
                    }
                }
                assert_eq!(
                    *begun,
                    saved(&restore(&committed, EntityView::Identity)),
                    "{offset}"
                );
                at_begin = None;
            }
        }
    }
    assert!(committed.len() > 30, "{}", committed.len());
}

#[test]
fn a_restored_engine_continues_to_the_bit() {
    let log = log::events(30);
    let (before, after) = log.split_at(log.len() / 2);
    let mut engine = Engine::new(settings(EntityView::Identity, 1_000));
    let mut unused = String::new();
    for (offset, event) in before.iter().enumerate() {
        step(&mut engine, event, offset as i64, &mut unused);
    }
    let mut restored = restore(&saved(&engine), EntityView::Identity);
    assert_eq!(saved(&engine), saved(&restored));
    let (mut expected, mut found) = (String::new(), String::new());
    for (offset, event) in after.iter().enumerate() {
        step(&mut engine, event, offset as i64, &mut expected);
        step(&mut restored, event, offset as i64, &mut found);
    }
    assert_eq!(expected, found);
    write_health(&mut expected, &engine);
    write_health(&mut found, &restored);
    assert_eq!(expected, found);
}
