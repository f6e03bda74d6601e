//! Events that differ from a usual one in one respect each: what would they score?

use serde_json::{Value, json};

/// A change of one respect, by name.
type Change = (&'static str, fn(&mut Value));

const CHANGES: [Change; 11] = [
    ("its latest usual event, again", |_| {}),
    ("from a machine never seen", |event| {
        event["source"]["host"] = json!("unknown-host-7f3a")
    }),
    ("from another country", |event| {
        event["source"]["country"] = json!("SG");
        event["source"]["asn"] = json!(20_473);
        event["source"]["ip"] = json!("198.51.100.23");
        forget_position(event);
    }),
    ("from a hosting provider", |event| {
        event["source"]["asn"] = json!(14_061);
        event["source"]["ip"] = json!("203.0.113.77");
    }),
    ("with a script in place of its client", |event| {
        event["source"]["user_agent"] = json!("python-requests/2.31");
    }),
    ("twelve hours later", |event| shift_hours(event, 12)),
    ("reading secrets", |event| {
        event["action"] = json!("secretsmanager:GetSecretValue");
        event["resource"] = json!("arn:aws:secretsmanager:::secret/payroll");
    }),
    ("granting permissions", |event| {
        event["action"] = json!("iam:AttachUserPolicy");
        event["activity"] = json!("grant");
    }),
    ("turning the audit log off", |event| {
        event["action"] = json!("cloudtrail:StopLogging")
    }),
    ("with a token that lives for 30 days", |event| {
        lifetime_days(event, 30)
    }),
    ("by a failed attempt", |event| {
        event["outcome"] = json!("failure")
    }),
];

/// The events made of `record`, a native event; `None` where it is none.
#[must_use]
pub(super) fn probes(record: &[u8]) -> Option<Vec<(&'static str, Value)>> {
    let usual: Value = serde_json::from_slice(record).ok()?;
    usual["identity"]["id"].as_str()?;
    let made = CHANGES.iter().enumerate().map(|(at, (what, change))| {
        let mut event = usual.clone();
        event["event_id"] = json!(format!("probe-{at}"));
        change(&mut event);
        (*what, event)
    });
    Some(made.collect())
}

fn forget_position(event: &mut Value) {
    if let Some(source) = event["source"].as_object_mut() {
        source.remove("latitude");
        source.remove("longitude");
    }
}

fn shift_hours(event: &mut Value, hours: i64) {
    let time = event["time"]
        .as_str()
        .and_then(crate::sources::time::parse_rfc3339);
    let shifted = time.and_then(|ms| {
        credwatch_core::units::EventTime::from_epoch_ms(
            ms + hours * credwatch_core::units::MS_PER_HOUR,
        )
    });
    if let Some(time) = shifted {
        event["time"] = json!(crate::sources::time::format_rfc3339(time));
    }
}

fn lifetime_days(event: &mut Value, days: i64) {
    let time = event["time"]
        .as_str()
        .and_then(crate::sources::time::parse_rfc3339);
    let Some(ms) = time.filter(|_| event["credential"].is_object()) else {
        return;
    };
    let later = ms + days * credwatch_core::units::MS_PER_DAY;
    let text = |ms| {
        credwatch_core::units::EventTime::from_epoch_ms(ms)
            .map(crate::sources::time::format_rfc3339)
    };
    event["credential"]["id"] = json!("probe-token");
    event["credential"]["issued_at"] = json!(text(ms));
    event["credential"]["expires_at"] = json!(text(later));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::native;
    use crate::token_redaction::Redactor;

    #[test]
    fn every_probe_is_a_native_event_of_the_same_identity() {
        let usual = br#"{"time":"2026-03-02T08:00:00Z","activity":"use","identity":{"id":"svc"},
            "credential":{"id":"c","kind":"access_token"},"source":{"ip":"10.0.0.1"}}"#;
        let made = probes(usual).unwrap();
        assert_eq!(made.len(), CHANGES.len());
        for (what, event) in made {
            let record = event.to_string();
            let decoded = native::decode(record.as_bytes(), &Redactor::default());
            assert_eq!(decoded.unwrap().event.identity.id, "svc", "{what}");
        }
        assert!(probes(b"[]").is_none());
    }
}
