//! Databases that are replaced while the service runs.

use crate::broker::support::{Setup, wait_until};
use crate::common::{START_MS, mmdb, native};
use serde_json::{Value, json};
use std::path::Path;

/// Writes a database of countries beside `path`, and puts it in its place.
fn replace(path: &Path, built_secs: u64, country: &str) {
    let fresh = path.with_extension("new");
    let ranges = [("198.51.100.0/24", json!({"country_code": country}))];
    mmdb::write(&fresh, "example Country", built_secs, &ranges);
    std::fs::rename(fresh, path).unwrap();
}

fn event(index: usize) -> (String, Vec<u8>) {
    let mut event = native(index, "svc-1", START_MS + index as i64 * 60_000);
    event["source"] = json!({"ip": "198.51.100.7"});
    ("svc-1".to_owned(), event.to_string().into_bytes())
}

#[test]
fn a_replaced_database_is_reopened_and_its_date_is_a_metric() {
    let setup = Setup::new("enrichment", 1, "native");
    let database = setup.folder.path().join("country.mmdb");
    replace(&database, 1_790_000_000, "NO");
    setup.append(&format!("[enrichment]\ndatabases = [{database:?}]\n"));
    let running = setup.start("one");
    let built = || {
        let name = "credwatch_enrichment_database_build_timestamp_seconds";
        running.metric(name, "database=\"example Country\"")
    };
    wait_until("the first database", || built() > 1_789_999_999.0);
    setup.produce("raw", [event(0)]);
    running.wait_for("ingest", 1);
    replace(&database, 1_790_086_400, "SE");
    wait_until("the second database", || built() > 1_790_086_399.0);
    setup.produce("raw", [event(1)]);
    running.wait_for("ingest", 2);
    running.wait_for("detect", 2);
    let countries: Vec<Value> = setup
        .read("events")
        .iter()
        .map(|event| event.value["source"]["country"].clone())
        .collect();
    assert_eq!(countries, ["NO", "SE"]);
    let events = setup.read("events");
    let databases = events[1].value["source"]["network_databases"].to_string();
    assert!(
        databases.contains("example Country built 1790086400"),
        "{databases}"
    );
    running.kill();
}
