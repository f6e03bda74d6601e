//! Unit tests of the native module.

use super::*;
use proptest::prelude::*;
use std::borrow::Cow;

const EXAMPLE: &str = r#"{"event_id":"01J9","time":"2026-11-23T10:15:30.123Z",
 "identity":{"id":"svc-deploy","kind":"service","group":"ci","owner":"team-platform"},
 "credential":{"id":"jti-83f1","kind":"access_token","issuer":"vault-prod",
  "issued_at":"2026-11-23T10:10:00Z","expires_at":1795429500000,"scopes":["repo:read"]},
 "activity":"use","action":"s3:GetObject","resource":"arn:aws:s3:::builds/app.tgz",
 "source":{"host":"build-17","ip":"10.2.3.4","user_agent":"aws-cli/2.17",
  "country":"NO","asn":29695,"latitude":59.9,"longitude":10.7},
 "purpose":"job/4711","outcome":"success","from_the_future":[{"a":[1,2.5,null,true]}]}"#;

fn error_of(record: &str) -> String {
    decode(record.as_bytes(), &Redactor::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_full_example_is_decoded_with_borrowed_text() {
    let decoded = decode(EXAMPLE.as_bytes(), &Redactor::default()).unwrap();
    let event = decoded.event;
    assert_eq!(decoded.unknown_fields, 1);
    assert!(matches!(event.identity.id, Cow::Borrowed("svc-deploy")));
    let credential = event.credential.unwrap();
    let (issued, expires) = (
        credential.issued_at.unwrap(),
        credential.expires_at.unwrap(),
    );
    assert_eq!(expires.ms_since(issued), 15 * 60_000);
    assert_eq!(event.source.position, Some((59.9, 10.7)));
    assert_eq!(event.source.asn, Some(29_695));
}

#[test]
fn three_fields_are_sufficient() {
    let record = r#"{"time":1700000000000,"identity":{"id":"x"},"activity":"use","purpose":null}"#;
    let event = decode(record.as_bytes(), &Redactor::default())
        .unwrap()
        .event;
    assert_eq!(event.event_id, "");
    assert_eq!(event.identity.kind, IdentityKind::Service);
    assert_eq!(event.outcome, Outcome::Success);
    assert!(event.credential.is_none());
}

#[test]
fn an_impossible_position_is_unknown_and_the_event_counts() {
    for (latitude, longitude) in [("95.5", "13.4"), ("52.5", "-180.1")] {
        let record = format!(
            r#"{{"time":1700000000000,"identity":{{"id":"x"}},"activity":"use",
                "source":{{"latitude":{latitude},"longitude":{longitude}}}}}"#
        );
        assert_eq!(
            decode(record.as_bytes(), &Redactor::default())
                .unwrap()
                .event
                .source
                .position,
            None
        );
    }
}

#[test]
fn errors_name_the_field() {
    let base = |time: &str, identity: &str, activity: &str| {
        error_of(&format!(
            r#"{{"time":{time},"identity":{identity},"activity":{activity}}}"#
        ))
    };
    let id = r#"{"id":"x"}"#;
    assert_eq!(
        base("1700000000000", r#"{"id":""}"#, r#""use""#),
        "field `identity.id` is empty"
    );
    assert_eq!(
        base("1700000000000", "{}", r#""use""#),
        "field `identity.id` is missing"
    );
    assert!(base("1700000000000", id, r#""yawn""#).starts_with("field `activity` is not one of"));
    assert!(base("\"0000-01-01T00:00:00Z\"", id, r#""use""#).contains("2000 to 2099"));
    assert!(base("\"9999-12-31T23:59:59Z\"", id, r#""use""#).contains("2000 to 2099"));
    assert!(base("\"soon\"", id, r#""use""#).contains("time: not an RFC 3339 time"));
    assert!(base("true", id, r#""use""#).contains("time: invalid type"));
    assert!(base("1700000000000", "[1]", r#""use""#).contains("identity: invalid type"));
    assert!(error_of(r#"{"time":17000"#).contains("EOF"));
}

#[test]
fn deep_nesting_is_rejected_everywhere() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    assert!(error_of(&format!(r#"{{"x":{deep}}}"#)).contains("recursion limit"));
    assert!(error_of(&deep).contains("invalid type"));
}

#[test]
fn large_records_and_long_texts_are_rejected() {
    assert!(error_of(&" ".repeat(RECORD_BYTES + 1)).contains("over the limit"));
    let long = "x".repeat(ID_BYTES + 1);
    let record =
        format!(r#"{{"time":1700000000000,"identity":{{"id":"{long}"}},"activity":"use"}}"#);
    assert_eq!(
        error_of(&record),
        "field `identity.id` is longer than 1024 bytes"
    );
}

#[test]
fn a_token_in_an_id_or_a_text_is_redacted() {
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2VjcmV0";
    let record = format!(
        r#"{{"time":1700000000000,"identity":{{"id":"x"}},"activity":"use","credential":{{"id":"{token}",
        "scopes":["{token}"]}},"resource":"https://a/?t={token}","purpose":"{token}",
        "source":{{"user_agent":"curl {token}"}}}}"#
    );
    let event = decode(record.as_bytes(), &Redactor::default())
        .unwrap()
        .event;
    assert!(!format!("{event:?}").contains("eyJ"), "{event:?}");
    assert!(event.credential.unwrap().id.starts_with("fp-"));
    assert!(event.resource.unwrap().starts_with("https://a/?t=fp-"));
}

#[test]
fn addresses_may_have_leading_zeros() {
    assert_eq!(parse_address("253.252.51.07"), "253.252.51.7".parse().ok());
    assert_eq!(parse_address("2001:db8::1"), "2001:db8::1".parse().ok());
    assert_eq!(parse_address("256.1.1.1"), None);
    assert_eq!(parse_address("1.2.3"), None);
    assert_eq!(parse_address("+1.2.3.4"), None);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes, &Redactor::default());
    }

    #[test]
    fn a_damaged_event_never_panics(at in 0usize..700, byte in any::<u8>()) {
        let mut record = EXAMPLE.as_bytes().to_vec();
        let position = at % record.len();
        record[position] = byte;
        let _ = decode(&record, &Redactor::default());
        let _ = decode(&record[..position], &Redactor::default());
    }

    #[test]
    fn any_text_survives(id in "[^\u{0}]{1,40}", action in ".{1,40}") {
        let record = serde_json::json!({
            "time": 1_700_000_000_000i64, "identity": {"id": id}, "activity": "use", "action": action,
        }).to_string();
        let event = decode(record.as_bytes(), &Redactor::default()).unwrap().event;
        prop_assert_eq!(&*event.identity.id, id.as_str());
        prop_assert_eq!(event.action.as_deref(), Some(action.as_str()));
    }
}

#[test]
fn addresses_are_read_in_every_form_that_logs_write() {
    for (text, expected) in [
        ("198.51.100.7:443", Some("198.51.100.7")),
        ("[2001:db8::1]", Some("2001:db8::1")),
        ("[2001:db8::1]:443", Some("2001:db8::1")),
        ("198.51.100.7, 10.0.0.1", Some("198.51.100.7")),
        ("fe80::1%eth0", Some("fe80::1")),
        ("010.001.002.003", Some("10.1.2.3")),
        ("unknown", None),
        ("-", None),
        ("", None),
    ] {
        let parsed = parse_address(text).map(|address| address.to_string());
        assert_eq!(parsed.as_deref(), expected, "{text}");
    }
    let event = br#"{"time":1,"identity":{"id":"a"},"activity":"use","source":{"ip":"unknown"}}"#;
    let text = String::from_utf8_lossy(event).replace("\"time\":1", "\"time\":1700000000000");
    assert!(
        decode(text.as_bytes(), &Redactor::default())
            .unwrap()
            .event
            .source
            .ip
            .is_none()
    );
}
