//! Logs of several systems on one topic, in the envelopes of the pipelines that carry them.

use crate::broker::support::{Setup, wait_until};
use crate::common::{START_MS, cloudtrail};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const DAYS: i64 = 24;
const DAY_MS: i64 = 86_400_000;

/// Where a use comes from.
#[derive(Clone, Copy)]
struct Origin {
    ip: &'static str,
    client: &'static str,
    country: [&'static str; 2],
}

const OFFICE: Origin = Origin {
    ip: "198.51.100.7",
    client: "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0",
    country: ["Norway", "NO"],
};
const THIEF: Origin = Origin {
    ip: "203.0.113.66",
    client: "python-requests/2.31",
    country: ["Brazil", "BR"],
};

fn rfc3339(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms)
        .unwrap()
        .to_string()
}

fn okta(number: usize, who: &str, at_ms: i64, from: Origin) -> Value {
    let event = json!({"eventType": "user.session.start", "uuid": format!("okta-{number}"),
        "published": rfc3339(at_ms), "actor": {"id": who, "type": "User"},
        "outcome": {"result": "SUCCESS"},
        "authenticationContext": {"externalSessionId": format!("s-{number}")},
        "client": {"ipAddress": from.ip, "userAgent": {"rawUserAgent": from.client},
            "geographicalContext": {"country": from.country[0]}}});
    json!({"version": "0", "detail-type": "SystemLog", "source": "aws.partner/okta.com", "detail": event})
}

fn entra(number: usize, who: &str, at_ms: i64, from: Origin) -> Value {
    let event = json!({"category": "SignInLogs", "time": rfc3339(at_ms), "operationName": "Sign-in activity",
        "resultType": "0", "properties": {"id": format!("entra-{number}"), "createdDateTime": rfc3339(at_ms),
            "userId": who, "ipAddress": from.ip, "userAgent": from.client, "appDisplayName": "Portal",
            "location": {"countryOrRegion": from.country[1]}, "status": {"errorCode": 0}}});
    json!({"records": [event]})
}

fn cloudwatch(number: usize, who: &str, at_ms: i64, from: Origin) -> Value {
    let mut event = cloudtrail(number, who, at_ms);
    event["sourceIPAddress"] = json!(from.ip);
    event["userAgent"] = json!(from.client);
    json!({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "cloudtrail",
        "logEvents": [{"id": number.to_string(), "timestamp": at_ms, "message": event.to_string()}]})
}

type Envelope = fn(usize, &str, i64, Origin) -> Value;

#[test]
fn alerts_of_mixed_envelopes_name_the_right_people() {
    let setup = Setup::new("envelopes", 1, "auto");
    let sources: [(&str, Envelope); 3] = [("okta", okta), ("entra", entra), ("aws", cloudwatch)];
    let mut records = Vec::new();
    for day in 0..DAYS {
        for use_of_day in 0..4 {
            for (source, envelope) in sources {
                for person in 0..5 {
                    let minutes = 480 + use_of_day * 90 + person * 7 + day % 5;
                    let at_ms = START_MS + day * DAY_MS + minutes * 60_000;
                    let who = format!("{source}-person-{person}");
                    records.push(envelope(records.len(), &who, at_ms, OFFICE));
                }
            }
        }
    }
    let theft_ms = START_MS + DAYS * DAY_MS + 3 * 3_600_000;
    for (at, (source, envelope)) in sources.into_iter().enumerate() {
        for again in 0..3 {
            let at_ms = theft_ms + at as i64 * 600_000 + again * 20_000;
            let who = format!("{source}-person-2");
            records.push(envelope(records.len(), &who, at_ms, THIEF));
        }
    }
    let count = records.len();
    records.push(json!({"messageType": "CONTROL_MESSAGE", "logEvents": []}));
    let keyed = records
        .iter()
        .map(|record| (String::new(), record.to_string().into_bytes()));
    setup.produce("raw", keyed);
    let running = setup.start("one");
    running.wait_for("ingest", count + 1);
    running.wait_for("detect", count);
    assert!(setup.read("deadletter").is_empty());
    let mut names = BTreeSet::new();
    wait_until("three alerts", || {
        let alerts = setup.read("alerts").into_iter();
        names = alerts.map(|alert| alert.key).collect();
        names.len() >= 3
    });
    let is_victim = |name: &String| name.contains("person-2");
    assert!(names.iter().all(is_victim) && names.len() == 3, "{names:?}");
    let left_out = running.metric(
        "credwatch_records_left_out_total",
        "control message of CloudWatch Logs",
    );
    assert!((left_out - 1.0).abs() < 0.5);
    running.kill();
}
