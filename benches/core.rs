//! The scoring core alone: one thread, one million identities, Zipf access, all signals enabled.
//!
//! `cargo bench --bench core`; budget 1.0 µs per event. `CREDWATCH_BENCH_IDENTITIES` changes the size.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its result"
)]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

#[path = "common/traffic.rs"]
mod traffic;

use credwatch_core::engine::{Detail, PREFETCH_MAX};
use credwatch_core::enrich::Keys;
use credwatch_core::event::Event;
use std::time::{Duration, Instant};
use traffic::{Traffic, cold_engine, identities_wanted, origin};

const WARM_UP: usize = 3_000_000;
const MEASURED: usize = 3_000_000;
/// Few enough that they are still in the cache when they are scored, as freshly decoded events are.
const CHUNK: usize = 500;

fn main() {
    let mut engine = cold_engine();
    let mut origin = origin();
    let mut traffic = Traffic::new(identities_wanted());
    traffic.introduce(&mut engine, &origin);
    let (mut taken, mut alerts) = (Duration::ZERO, 0);
    for chunk in 0..(WARM_UP + MEASURED) / CHUNK {
        let events: Vec<Event<'_>> = (0..CHUNK)
            .map(|_| {
                let who = traffic.zipf();
                traffic.event(who)
            })
            .collect();
        let start = Instant::now();
        for batch in events.chunks(PREFETCH_MAX) {
            let keys: Vec<Keys> = batch.iter().map(|event| engine.keys(event)).collect();
            engine.prefetch(&keys);
            for (event, keys) in batch.iter().zip(keys) {
                origin.offset += 1;
                let output = engine.step(event, keys, &origin, Detail::Score);
                alerts += std::hint::black_box(output).alerts.len();
            }
        }
        if chunk >= WARM_UP / CHUNK {
            taken += start.elapsed();
        }
    }
    let ns_per_event = taken.as_nanos() as f64 / MEASURED as f64;
    let health = engine.health();
    println!(
        "{}",
        serde_json::json!({
            "bench": "core", "ns_per_event": ns_per_event, "events": MEASURED,
            "identities": health.identities, "threads": 1, "alert_records": alerts,
            "signals": credwatch_core::signal::SIGNALS.len(), "state_bytes": health.state_bytes,
        })
    );
}
