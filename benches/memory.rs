//! Memory per identity, everything counted: the growth of the process's resident size while an engine
//! processes one million identities with a credential each, and then three million events more.
//!
//! `cargo bench --bench memory`; budget 1,024 bytes. `CREDWATCH_BENCH_IDENTITIES` changes the size.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its result"
)]

#[path = "common/resident.rs"]
mod resident;
#[path = "common/traffic.rs"]
mod traffic;

use credwatch_core::engine::Detail;
use resident::status_bytes;
use traffic::{Traffic, cold_engine, identities_wanted, origin};

const EVENTS: usize = 3_000_000;

fn main() {
    // The names of the traffic are made, and resident, before the engine is.
    let mut traffic = Traffic::new(identities_wanted());
    let before = status_bytes("VmRSS");
    let mut engine = cold_engine();
    let origin = origin();
    traffic.introduce(&mut engine, &origin);
    for _ in 0..EVENTS {
        let who = traffic.zipf();
        let event = traffic.event(who);
        engine.step(&event, engine.keys(&event), &origin, Detail::Score);
    }
    let identities = engine.health().identities as f64;
    println!(
        "{}",
        serde_json::json!({
            "bench": "memory", "bytes_per_identity": (status_bytes("VmRSS") - before) / identities,
            "peak_bytes_per_identity": (status_bytes("VmHWM") - before) / identities,
            "counted_bytes_per_identity": engine.health().state_bytes as f64 / identities,
            "identities": identities, "credentials": engine.health().credentials,
            "events": EVENTS + identities as usize,
        })
    );
}
