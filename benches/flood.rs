//! The most memory that somebody can have the detector take: both views of one partition, at 100,000
//! identities and 100,000 sources, under three million authentications in which every identity, host,
//! issuer, credential and network is new and every text is 8 KB long, compared with the ceiling that
//! `credwatch check` prints.
//!
//! `cargo bench --bench flood`; `CREDWATCH_BENCH_EVENTS` changes the number of events.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its result"
)]

#[path = "common/resident.rs"]
mod resident;

use credwatch::config::{Config, Sources};
use credwatch::shard::{Shard, ShardFactory, ShardId, load_model};
use credwatch_core::engine::{Detail, Settings};
use resident::status_bytes;
use std::net::Ipv4Addr;

const EVENTS: u32 = 3_000_000;
const TABLE: usize = 100_000;
const TEXT_BYTES: usize = 8_000;
const ID_BYTES: usize = 900;
const START_MS: i64 = 1_772_438_400_000;
const STEP_MS: i64 = 25;

/// A successful authentication in which everything is new.
fn novel(nth: u32) -> String {
    let long = |what: &str, bytes: usize| format!("{nth}-{what}-{}", "x".repeat(bytes));
    let ms = START_MS + i64::from(nth) * STEP_MS;
    let network = Ipv4Addr::from(0x0100_0000 + nth * 256);
    format!(
        r#"{{"event_id":"{nth}","time":{ms},"activity":"authenticate","action":"{}","resource":"{}",
"purpose":"{}",
"identity":{{"id":"{}","kind":"human","group":"{}","owner":"{}"}},
"credential":{{"id":"{}","kind":"session","issuer":"{}","issued_at":{ms},"expires_at":{},"scopes":["{}"]}},
"source":{{"ip":"{network}","host":"{}","user_agent":"{}"}}}}"#,
        long("action", TEXT_BYTES),
        long("resource", TEXT_BYTES),
        long("purpose", TEXT_BYTES),
        long("identity", ID_BYTES),
        long("group", ID_BYTES),
        long("owner", ID_BYTES),
        long("credential", 200),
        long("issuer", ID_BYTES),
        ms + 1_000 * i64::from(nth),
        long("scope", TEXT_BYTES),
        long("host", TEXT_BYTES),
        long("agent", TEXT_BYTES),
    )
}

/// Handles a record, and drops what would be published.
fn handle(shard: &mut Shard, record: &[u8]) -> Option<Vec<u8>> {
    let offset = shard.next_offset();
    let handled = shard.handle(record, offset, None, Detail::Score).unwrap();
    let (alerts, sighting) = (handled.step.alerts, handled.sighting);
    shard.output_records(&alerts, None, Some(record));
    sighting.map(|sighting| sighting.payload)
}

fn main() {
    let mut config = Config::load(&Sources::default()).unwrap();
    (config.detect.max_identities, config.detect.max_sources) = (TABLE, TABLE);
    let model = load_model(&config).unwrap();
    let factory = ShardFactory::new(&config, model, 1);
    let of_sources = Settings {
        max_identities: TABLE,
        ..factory.settings().clone()
    };
    let ceiling = factory.settings().memory_ceiling_bytes() + of_sources.memory_ceiling_bytes();
    let events = std::env::var("CREDWATCH_BENCH_EVENTS");
    let events = events.map_or(EVENTS, |text| text.parse().unwrap());
    let mut identities = factory.shard(ShardId::of_identities(0));
    let mut sources = factory.shard(ShardId::of_sources(0));
    for nth in 0..events {
        let sighting = handle(&mut identities, novel(nth).as_bytes());
        handle(&mut sources, &sighting.unwrap());
    }
    println!(
        "{}",
        serde_json::json!({
            "bench": "flood", "events": events,
            "identities": identities.health().identities, "sources": sources.health().identities,
            "resident_bytes": status_bytes("VmRSS"), "peak_resident_bytes": status_bytes("VmHWM"),
            "ceiling_bytes": ceiling, "ratio_to_ceiling": status_bytes("VmHWM") / ceiling as f64,
        })
    );
}
