//! The console: memory of an incident, the list of incidents under load, and how soon viewers see an alert.
//!
//! `cargo bench --bench console`; goals: p99 of a page of 10,000 incidents 20 ms, published to listed 1 s.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its result"
)]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

#[path = "common/viewers.rs"]
mod viewers;

use credwatch::config::{Config, Sources};
use credwatch::metrics::Metrics;
use serde_json::json;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use viewers::{Viewers, send, serve};

const INCIDENTS: u64 = 20_000;
const VIEWERS: usize = 20;
const REQUESTS: usize = 500;
const PUBLISHED: usize = 200;

/// An alert like those of the demonstration: six signals, each with what was observed and expected.
fn alert(nth: u64) -> Vec<u8> {
    let time = 1_772_438_400_000_i64 + nth as i64 * 60_000;
    let identity = format!("user-{:05}", nth % 5_000);
    let signal = |at: u64| {
        json!({"name": "host", "p": 1e-4, "surprise_nats": 9.2 - at as f64, "level": "identity",
            "observed": format!("vps-{}.example.net", nth * 7 + at), "observations": 40 + at,
            "expected": "build-17 (61 %), build-18 (22 %), build-19 (17 %)",
            "sentence": format!("first use of host vps-{nth}-{at}, also new to its peers (1 in 2,200)")})
    };
    let signals: Vec<_> = (0..6).map(signal).collect();
    let alert = json!({
        "activity_id": 1, "severity": "High", "status": "New", "time": time,
        "metadata": {"version": "1.8.0", "product": {"name": "credwatch", "vendor_name": "credwatch"}},
        "finding_info": {"uid": format!("{nth:032x}"), "first_seen_time": time, "last_seen_time": time + 500,
            "attacks": [{"technique": {"uid": "T1078", "name": "Valid Accounts"}}]},
        "evidences": [{"actor": {"user": {"name": identity, "credential_uid": format!("key-{nth}")}},
            "src_endpoint": {"ip": "203.0.113.9", "hostname": format!("vps-{nth}")}}],
        "unmapped": {"credwatch": {"view": "identity", "score_nats": 12.5, "peak_nats": 14.0, "events": 31,
            "threshold_nats": 7.0, "reasons": signals.iter().map(|s| &s["sentence"]).collect::<Vec<_>>(),
            "identity": {"id": identity, "kind": "human", "group": "ops", "owner": "ada"},
            "signals": signals,
            "runbook": {"name": "general", "containment": ["ask the owner"], "preserve": [],
                "review": ["what the credential may do"], "controls": ["shorter lifetimes"]}}}
    });
    alert.to_string().into_bytes()
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

fn quantile(sorted: &[Duration], q: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3
}

/// One page of incidents on an open connection.
fn read_page(socket: &mut BufReader<TcpStream>) -> Duration {
    let start = Instant::now();
    send(socket.get_ref(), "/v1/incidents?state=open&limit=100");
    let mut bytes = 0;
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).unwrap();
        if let Some(length) = line.strip_prefix("content-length: ") {
            bytes = length.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; bytes];
    socket.read_exact(&mut body).unwrap();
    start.elapsed()
}

fn main() {
    let config = Config::load(&Sources::default()).unwrap();
    let metrics = Metrics::new("bench").unwrap();
    let served = serve(&config, &metrics, None);
    let empty = resident_bytes();
    let viewers = Viewers::open(served.address, VIEWERS);
    let mut socket = BufReader::new(TcpStream::connect(served.address).unwrap());
    let mut fill = |held: std::ops::Range<u64>| {
        held.for_each(|nth| served.console.take_alert(&alert(nth)));
        let mut pages: Vec<Duration> = (0..REQUESTS).map(|_| read_page(&mut socket)).collect();
        pages.sort();
        (quantile(&pages, 0.5), quantile(&pages, 0.99))
    };
    let (half_p50, half_p99) = fill(0..INCIDENTS / 2);
    let (full_p50, full_p99) = fill(INCIDENTS / 2..INCIDENTS);
    viewers.close();
    let bytes = (resident_bytes() - empty) / INCIDENTS;
    let viewers = Viewers::open(served.address, VIEWERS);
    let mut published = Vec::new();
    for nth in 0..PUBLISHED {
        published.push(Instant::now());
        served.console.take_alert(&alert(INCIDENTS + nth as u64));
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_secs(1));
    let mut seen: Vec<Duration> = Vec::new();
    for times in viewers.close() {
        let pairs = published.iter().zip(times);
        seen.extend(pairs.map(|(sent, came)| came - *sent));
    }
    seen.sort();
    println!(
        "{}",
        json!({
            "bench": "console", "incidents": INCIDENTS, "bytes_per_incident": bytes, "viewers": VIEWERS,
            "page_of_10000_ms_p50": half_p50, "page_of_10000_ms_p99": half_p99,
            "page_of_20000_ms_p50": full_p50, "page_of_20000_ms_p99": full_p99,
            "seen_ms_p50": quantile(&seen, 0.5), "seen_ms_p99": quantile(&seen, 0.99),
            "seen": seen.len(), "published_to_all": PUBLISHED * VIEWERS,
        })
    );
}
