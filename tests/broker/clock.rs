//! The clock of the host is set while the service runs: verdicts do not move, orders are issued by it, and it
//! is told.

use crate::common::{get, json_lines, native_log};
use crate::support::{Setup, wait_until};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What stands between the program and the clock.
fn between() -> PathBuf {
    let found = std::fs::read_dir("/usr/lib")
        .unwrap()
        .flatten()
        .find_map(|entry| {
            let library = entry.path().join("faketime/libfaketime.so.1");
            library.is_file().then_some(library)
        });
    found.expect("libfaketime is not there: run scripts/test, which installs it")
}

fn set(clock: &Path, by: &str) {
    std::fs::write(clock, by).unwrap();
}

fn keyed(event: &Value) -> (String, Vec<u8>) {
    let key = event["identity"]["id"].as_str().unwrap().to_owned();
    (key, event.to_string().into_bytes())
}

fn issued_ms(order: &Value) -> i64 {
    let issued: jiff::Timestamp = order["issued_at"].as_str().unwrap().parse().unwrap();
    issued.as_millisecond()
}

#[test]
fn a_clock_that_is_set_moves_no_verdict_and_is_told() {
    let setup = Setup::new("clock", 1, "native");
    let (clock, library) = (setup.folder.path().join("clock"), between());
    set(&clock, "+0");
    let environment = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let running = setup.start_in("one", &[], &environment);
    let events = native_log(10, 9);
    let (ordinary, theft) = events.split_at(events.len() - 3);
    setup.produce("events", ordinary.iter().map(keyed));
    running.wait_for("detect", ordinary.len());
    set(&clock, "+1d");
    wait_until("the jump is told", || {
        running.log_text().contains("was set forward by 86400 s")
    });
    setup.produce("events", theft.iter().map(keyed));
    running.wait_for("detect", events.len());
    assert_eq!(get(&running.address, "/readyz").0, 200);
    set(&clock, "+0");
    wait_until("the way back is told", || {
        running.log_text().contains("was set back by 86400 s")
    });
    assert!(running.metric("credwatch_clock_jumps_total", "") >= 2.0);
    assert_eq!(running.terminate(), Some(0));

    let log = setup.folder.path().join("events.jsonl");
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(&log, lines).unwrap();
    let replayed = setup.replay(1, &[log]);
    let alerts: Vec<Value> = setup.read("alerts").into_iter().map(|r| r.value).collect();
    assert!(!alerts.is_empty(), "the theft is seen");
    assert_eq!(alerts, json_lines(&replayed.join("alerts")));
    let orders = setup.read("revocations");
    let now_ms = jiff::Timestamp::now().as_millisecond();
    for order in &orders {
        let ahead_ms = issued_ms(&order.value) - now_ms;
        assert!(
            (80_000_000..87_000_000).contains(&ahead_ms),
            "issued by the clock as it stood"
        );
    }
}
