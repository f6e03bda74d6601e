//! Keys and tokens appear in no output of the program.

use crate::broker::support::{Setup, TOKEN, wait_until};
use crate::common::{credwatch, get, native_log};
use serde_json::json;
use std::process::Command;

/// Tokens in events: as the id of a credential, within other texts, in members that nobody knows.
const TOKENS: [&str; 4] = [
    "eyJhbGciOiJIUzI1NiJ9.eyJwbGFudGVkIjoxfQ.cGxhbnRlZC1zaWduYXR1cmUtMQ",
    "eyJhbGciOiJIUzI1NiJ9.eyJwbGFudGVkIjoyfQ.cGxhbnRlZC1zaWduYXR1cmUtMg",
    "eyJhbGciOiJIUzI1NiJ9.eyJwbGFudGVkIjozfQ.cGxhbnRlZC1zaWduYXR1cmUtMw",
    "eyJhbGciOiJIUzI1NiJ9.eyJwbGFudGVkIjo0fQ.cGxhbnRlZC1zaWduYXR1cmUtNA",
];
const PASSWORD: &str = "planted-sasl-password-77aa";

/// A theft whose events carry tokens.
fn events() -> Vec<Vec<u8>> {
    let mut events = native_log(20, 9);
    let from = events.len() - 3;
    for event in &mut events[from..] {
        event["credential"]["id"] = json!(TOKENS[0]);
        event["resource"] = json!(format!(
            "https://api.example.org/?access_token={}",
            TOKENS[1]
        ));
        event["purpose"] = json!(TOKENS[2]);
        event["authorization"] = json!(format!("Bearer {}", TOKENS[3]));
    }
    let mut records: Vec<Vec<u8>> = events
        .iter()
        .map(|event| event.to_string().into_bytes())
        .collect();
    // It cannot be read, and goes to the dead letters.
    records.push(format!("{{\"time\":\"{}\"}}", TOKENS[3]).into_bytes());
    records
}

#[test]
fn secrets_appear_in_no_output() {
    let setup = Setup::new("secrets", 2, "native");
    setup.append(&format!(
        "[kafka.properties]\n\"sasl.password\" = \"{PASSWORD}\"\n"
    ));
    setup.sign_orders();
    let pem = std::fs::read_to_string(setup.folder.path().join("order.pem")).unwrap();
    let private = pem.lines().nth(1).unwrap().to_owned();
    let running = setup.start("one");
    let records = events();
    let count = records.len();
    setup.produce(
        "raw",
        records.into_iter().map(|record| (String::new(), record)),
    );
    running.wait_for("ingest", count);
    setup.wait_until_committed(2);
    wait_until("an alert", || !setup.read("alerts").is_empty());
    let mut given_out: Vec<(String, Vec<u8>)> = Vec::new();
    let topics = [
        "events",
        "sightings",
        "alerts",
        "revocations",
        "decisions",
        "deadletter",
        "baselines",
    ];
    for topic in topics {
        for record in setup.read(topic) {
            given_out.push((format!("{topic}, key"), record.key.into_bytes()));
            given_out.push((topic.to_owned(), record.raw));
            let headers = record
                .headers
                .into_iter()
                .flat_map(|(_, value)| value.into_bytes());
            given_out.push((format!("{topic}, headers"), headers.collect()));
        }
    }
    for page in [
        "/metrics",
        "/readyz",
        "/.well-known/jwks.json",
        "/v1/explain",
    ] {
        given_out.push((page.to_owned(), get(&running.address, page).1.into_bytes()));
    }
    let address = format!("http://{}", running.address);
    let set = |command: &mut Command| {
        let output = command
            .arg("--config")
            .arg(&setup.config)
            .env("CREDWATCH_HTTP__TOKEN", TOKEN)
            .output()
            .unwrap();
        [output.stdout, output.stderr].concat()
    };
    let mut explained = Vec::new();
    wait_until("the identity is explained", || {
        explained = set(credwatch().args(["explain", "--identity", "svc-0", "--url", &address]));
        String::from_utf8_lossy(&explained).contains("svc-0")
    });
    given_out.push(("explain".to_owned(), explained));
    given_out.push(("check".to_owned(), set(credwatch().arg("check"))));
    // Every mistake at once, with the secrets in the same file.
    let wrong = set(credwatch()
        .arg("check")
        .env("CREDWATCH_DETECT__ALERTS_PER_DAY", "many"));
    given_out.push(("a wrong setting".to_owned(), wrong));
    given_out.push(("log".to_owned(), running.log_text().into_bytes()));
    assert_eq!(running.terminate(), Some(0));
    let secrets = TOKENS
        .iter()
        .copied()
        .chain([PASSWORD, TOKEN, private.as_str()]);
    for secret in secrets {
        for (place, bytes) in &given_out {
            let shows = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(
                !shows,
                "{place} shows {secret}: {}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
    let fingerprinted = setup
        .read("alerts")
        .iter()
        .any(|alert| alert.value.to_string().contains("fp-"));
    assert!(fingerprinted, "the token of the theft has a fingerprint");
}
