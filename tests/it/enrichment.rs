//! What databases and configured ranges add to events, and what is learned of it.

use crate::common::{credwatch, json_lines, mmdb, text};
use credwatch::config::Enrichment;
use credwatch::enrichment::Enricher;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const DAY_MS: i64 = 86_400_000;
const BUILT: u64 = 1_795_000_000;

fn place(country: &str, latitude: f64) -> Value {
    json!({"country_code": country, "latitude": latitude, "longitude": 10.5})
}

fn operator(asn: u32, name: &str) -> Value {
    json!({"autonomous_system_number": asn, "autonomous_system_organization": name})
}

/// Databases of places, operators and kinds, and a configuration that names them.
fn configuration(folder: &Path) -> PathBuf {
    let cities = folder.join("city.mmdb");
    let ranges = [
        ("198.51.100.0/24", place("NO", 59.5)),
        ("203.0.113.0/24", place("SE", 59.5)),
        ("192.0.2.0/24", place("AU", -33.5)),
        ("100.64.0.0/10", place("NO", 69.5)),
    ];
    mmdb::write(&cities, "example City", BUILT, &ranges);
    let operators = folder.join("asn.mmdb");
    let ranges = [
        ("203.0.113.0/24", operator(64_500, "Example Hosting")),
        ("100.64.0.0/10", operator(64_501, "Example Mobile")),
    ];
    mmdb::write(&operators, "example ASN", BUILT, &ranges);
    let kinds = folder.join("anonymous.mmdb");
    let ranges = [
        ("203.0.113.0/24", json!({"is_hosting_provider": true})),
        ("100.64.0.0/10", json!({"mobile": true})),
    ];
    mmdb::write(&kinds, "example Anonymous", BUILT, &ranges);
    let config = folder.join("credwatch.toml");
    let databases = [cities, operators, kinds];
    std::fs::write(
        &config,
        format!(
            "[enrichment]\ndatabases = {databases:?}\n\
             networks = [{{ name = \"Oslo office\", kind = \"owned\", ranges = [\"198.51.100.0/25\"] }}]\n"
        ),
    )
    .unwrap();
    config
}

/// A use by `who` from `ip`.
fn event(number: usize, who: &str, at_ms: i64, ip: &str) -> Value {
    json!({"event_id": format!("e{number}"), "time": 1_790_000_000_000_i64 + at_ms,
        "identity": {"id": who, "kind": "human"}, "activity": "use", "action": "app:read",
        "credential": {"id": format!("session-{who}"), "kind": "session"}, "source": {"ip": ip}})
}

/// Replays `events` with the databases; returns the folder with what was written.
fn replay(events: &[Value]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path());
    let input = folder.path().join("events.jsonl");
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(&input, lines).unwrap();
    let output = credwatch()
        .args(["--quiet", "replay", "--strict", "--config"])
        .arg(&config)
        .arg("--verdicts")
        .arg(folder.path().join("verdicts"))
        .arg("--alerts")
        .arg(folder.path().join("alerts"))
        .arg(&input)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    folder
}

fn signal<'v>(verdict: &'v Value, name: &str) -> Option<&'v Value> {
    let signals = verdict["signals"].as_array()?;
    signals.iter().find(|signal| signal["name"] == name)
}

#[test]
fn addresses_of_a_carrier_and_of_the_office_are_one_place() {
    let people = ["ada", "bob", "cat", "dan", "eve", "fay"];
    let mut events = Vec::new();
    for day in 0..30 {
        for (at, who) in people.iter().enumerate() {
            let (number, minute) = (events.len(), at as i64 * 60_000);
            let office = format!("198.51.100.{}", (day * 7 + at) % 120);
            events.push(event(number, who, day as i64 * DAY_MS + minute, &office));
            let phone = format!("100.{}.{}.9", 64 + (day * 5 + at) % 60, day + at);
            let evening = day as i64 * DAY_MS + 8 * 3_600_000 + minute;
            events.push(event(number + 1, who, evening, &phone));
        }
    }
    let history = events.len();
    let last = 30 * DAY_MS;
    events.push(event(history, "ada", last, "100.127.3.4"));
    events.push(event(history + 1, "ada", last + 60_000, "203.0.113.9"));
    let folder = replay(&events);
    let verdicts = json_lines(&folder.path().join("verdicts"));
    let usual = &verdicts[history];
    let surprise = |verdict: &Value, name: &str| {
        signal(verdict, name).map_or(0.0, |signal| signal["surprise_nats"].as_f64().unwrap())
    };
    assert!(surprise(usual, "network") < 1.0, "{usual}");
    assert!(signal(usual, "travel").is_none(), "{usual}");
    assert_eq!(
        signal(usual, "network").unwrap()["observed"],
        "AS64501 Example Mobile (mobile)"
    );
    let odd = &verdicts[history + 1];
    assert!(surprise(odd, "network") > 4.0, "{odd}");
    assert_eq!(signal(odd, "network").unwrap()["observed"], "SE");
    let expected = signal(odd, "network").unwrap()["expected"].to_string();
    assert!(expected.contains("NO"), "{expected}");
}

#[test]
fn an_alert_names_network_country_and_databases() {
    let mut events: Vec<Value> = (0..400)
        .map(|number| {
            let who = ["ada", "bob", "cat", "dan"][number % 4];
            event(number, who, number as i64 * 3_600_000, "198.51.100.7")
        })
        .collect();
    let mut theft = event(400, "ada", 401 * 3_600_000, "203.0.113.9");
    theft["action"] = json!("cloudtrail:StopLogging");
    theft["source"]["user_agent"] = json!("evil/1.0");
    theft["source"]["host"] = json!("kali");
    events.push(theft);
    let folder = replay(&events);
    let alerts = json_lines(&folder.path().join("alerts"));
    let alert = alerts.last().expect("the theft raises an alert");
    let details = &alert["unmapped"]["credwatch"];
    assert_eq!(details["network"], "AS64500 Example Hosting (hosting)");
    let databases = details["network_databases"].as_str().unwrap();
    assert!(
        databases.contains(&format!("example ASN built {BUILT} ")),
        "{databases}"
    );
    assert_eq!(
        alert["evidences"][0]["src_endpoint"]["location"]["country"],
        "SE"
    );
}

#[test]
fn what_a_native_event_states_is_kept_and_null_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    configuration(folder.path());
    let database = folder.path().join("city.mmdb");
    let settings = Enrichment {
        databases: vec![database.to_str().unwrap().to_owned()],
        networks: Vec::new(),
    };
    let enricher = Enricher::open(&settings).unwrap().unwrap();
    let source = |source: Value| -> Value {
        let event = json!({"source": source}).to_string();
        let enriched = enricher.enrich_json(event.as_bytes()).unwrap();
        serde_json::from_slice::<Value>(&enriched).unwrap()["source"].take()
    };
    let empty = source(json!({"ip": "198.51.100.7", "country": null, "latitude": null}));
    assert_eq!(
        (&empty["country"], &empty["latitude"]),
        (&json!("NO"), &json!(59.5))
    );
    let stated = source(json!({"ip": "198.51.100.7", "country": "DK", "latitude": 55.5}));
    assert_eq!(
        (&stated["country"], &stated["latitude"]),
        (&json!("DK"), &json!(55.5))
    );
    assert!(
        stated.get("longitude").is_none(),
        "half of another place: {stated}"
    );
}

#[test]
fn a_database_that_is_none_is_an_error_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (config, input) = (folder.path().join("c.toml"), folder.path().join("e.jsonl"));
    std::fs::write(&config, format!("[enrichment]\ndatabases = [{config:?}]\n")).unwrap();
    std::fs::write(&input, event(0, "ada", 0, "192.0.2.1").to_string()).unwrap();
    let output = credwatch()
        .args(["replay", "--config"])
        .arg(&config)
        .arg(&input)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let complaint = text(&output.stderr);
    assert!(complaint.contains("c.toml: no MMDB file"), "{complaint}");
}
