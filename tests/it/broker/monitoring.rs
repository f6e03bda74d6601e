//! A real Prometheus scrapes the running program, and is queried.

use crate::broker::support::{Setup, wait_until};
use crate::common::{START_MS, get, native, native_log};
use credwatch::metrics::Metrics;
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The value of an instant query; `None` where nothing matches yet.
fn value_of(address: &str, query: &str) -> Option<f64> {
    let (status, body) = get(address, &format!("/api/v1/query?query={query}"));
    if status == 503 {
        return None; // It listens and is not up yet.
    }
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    answer["data"]["result"][0]["value"][1]
        .as_str()?
        .parse()
        .ok()
}

#[test]
fn prometheus_scrapes_the_metrics() {
    let setup = Setup::new("scraped", 2, "native");
    let mut events = native_log(20, 4);
    let issued = (0..20).map(|nth| {
        let at_ms = START_MS + nth as i64 * 60_000;
        let mut event = native(700_000 + nth, &format!("svc-{nth}"), at_ms);
        event["activity"] = json!("issue");
        event["credential"] = json!({"id": format!("token-{nth}"), "kind": "access_token", "issuer": "sts",
            "expires_at": at_ms + 3_600_000});
        event
    });
    events.splice(0..0, issued);
    let keyed = events.iter().map(|event| {
        let key = event["identity"]["id"].as_str().unwrap().to_owned();
        (key, event.to_string().into_bytes())
    });
    setup.produce("events", keyed);
    let running = setup.start("one");
    running.wait_for("detect", events.len());

    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let config = setup.folder.path().join("prometheus.yml");
    let text = format!(
        "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: credwatch\n    \
         static_configs:\n      - targets: [\"{}\"]\n",
        running.address
    );
    std::fs::write(&config, text).unwrap();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            setup.folder.path().join("tsdb").display()
        ))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("prometheus is installed by scripts/test");
    let _prometheus = Prometheus(child);
    wait_until("prometheus listens", || {
        std::net::TcpStream::connect(&address).is_ok()
    });
    wait_until("a scrape that knows all identities", || {
        let known = value_of(&address, "sum(credwatch_identities)");
        known.is_some_and(|known| (known - 20.0).abs() < 0.5)
    });
    let scored = value_of(&address, "sum(credwatch_records_total{stage=\"detect\"})");
    assert!((scored.unwrap() - events.len() as f64).abs() < 0.5);
    assert!(value_of(&address, "sum(credwatch_alerts_total)").unwrap() >= 1.0);
    assert!(value_of(&address, "min(credwatch_threshold_nats)").unwrap() > 0.0);
    let quantile = "histogram_quantile(0.99,sum(rate(credwatch_commit_seconds_bucket[5m]))by(le))";
    wait_until("a rate over two scrapes", || {
        value_of(&address, quantile).is_some()
    });
    check_metrics(&get(&running.address, "/metrics").1);
    // A metric with labels is exposed once it has a value, so names are compared with the declarations.
    let descriptions = Metrics::descriptions();
    let mut without_data = Vec::new();
    for query in queries() {
        let (status, body) = get(
            &address,
            &format!("/api/v1/query?query={}", escaped(&query)),
        );
        assert_eq!(status, 200, "{query}: {body}");
        for name in metrics_of(&query) {
            assert!(
                descriptions.iter().any(|metric| metric.name == name),
                "{query}: {name} is not a metric"
            );
        }
        let answer: Value = serde_json::from_str(&body).unwrap();
        if answer["data"]["result"].as_array().unwrap().is_empty() {
            without_data.push(query);
        }
    }
    let unexplained = |query: &String| !WITHOUT_DATA.iter().any(|(part, _)| query.contains(part));
    without_data.retain(unexplained);
    assert!(
        without_data.is_empty(),
        "queries without data: {without_data:#?}"
    );
}

/// Queries, by a part of them, that return nothing here, and why.
const WITHOUT_DATA: [(&str, &str); 4] = [
    ("credwatch_deliveries_total", "no receiver is configured"),
    (
        "credwatch_receiver_circuit_open",
        "no receiver is configured",
    ),
    (
        "credwatch_records_deleted_unread_total",
        "retention deletes nothing here",
    ),
    (
        "credwatch_records_left_out_total",
        "nothing is left out of native events",
    ),
];

/// Names, units and types follow the conventions of Prometheus.
fn check_metrics(exposed: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(exposed.as_bytes()).unwrap();
    drop(input);
    let checked = promtool.wait_with_output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

/// Every query of the dashboards, with all instances, and of the alert rules.
fn queries() -> Vec<String> {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut queries = Vec::new();
    for entry in std::fs::read_dir(config.join("grafana/dashboards")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(panel["description"].is_string(), "{panel}");
            assert!(
                panel["fieldConfig"]["defaults"]["unit"].is_string(),
                "{panel}"
            );
            for target in panel["targets"].as_array().unwrap() {
                let query = target["expr"].as_str().unwrap();
                let query = query.replace("$instance", ".*").replace("$issuer", ".*");
                queries.push(query.replace("$__rate_interval", "5m"));
            }
        }
    }
    let rules = std::fs::read_to_string(config.join("prometheus/alerts.yml")).unwrap();
    let expressions = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: '"));
    // What a rule compares; the comparison itself leaves nothing while all is well.
    let left_side = |rule: &str| {
        let sides = rule.split_once(" > ").or_else(|| rule.split_once(" == "));
        sides.map_or(rule, |(left, _)| left).to_owned()
    };
    queries.extend(expressions.map(left_side));
    assert!(queries.len() > 50);
    queries
}

/// Metrics that a query names, without what histograms add to their names.
fn metrics_of(query: &str) -> Vec<String> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("credwatch_"));
    names
        .map(|name| name.strip_suffix("_bucket").unwrap_or(name).to_owned())
        .collect()
}

fn escaped(query: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    query.bytes().map(escape).collect()
}
