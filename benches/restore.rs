//! How long an engine takes to be put together from its state on disk: a quarter, a half and all of
//! one million identities, a credential each.
//!
//! `cargo bench --bench restore`; budget 10 s, and linear. `CREDWATCH_BENCH_IDENTITIES` changes the size.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its result"
)]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

#[path = "common/traffic.rs"]
mod traffic;

use credwatch::wire::audit::AuditChain;
use credwatch::wire::snapshot::{self, Header};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::time::Instant;
use traffic::{Traffic, cold_engine, identities_wanted, origin, settings};

fn measure(identities: usize) -> Value {
    let mut engine = cold_engine();
    Traffic::new(identities).introduce(&mut engine, &origin());
    let header = Header {
        partition: 0,
        partitions: 1,
        next_offset: identities as i64,
        first_piece: 0,
        answers: BTreeMap::new(),
        model_hash: engine.model_hash().to_owned(),
        configuration_hash: String::new(),
        audit: AuditChain::new(0),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let start = Instant::now();
    let file = File::create(&path).unwrap();
    snapshot::write(BufWriter::new(&file), &header, &engine).unwrap();
    file.sync_all().unwrap();
    let save_seconds = start.elapsed().as_secs_f64();
    drop(engine);
    let settings = settings();
    let start = Instant::now();
    let (_, engine) = snapshot::read(File::open(&path).unwrap(), |_| settings).unwrap();
    let restore_seconds = start.elapsed().as_secs_f64();
    json!({
        "identities": engine.health().identities, "restore_seconds": restore_seconds,
        "save_seconds": save_seconds, "state_file_bytes": path.metadata().unwrap().len(),
    })
}

fn main() {
    let whole = identities_wanted();
    let parts: Vec<Value> = [whole / 4, whole / 2].into_iter().map(measure).collect();
    let mut line = measure(whole);
    line["bench"] = json!("restore");
    line["smaller"] = json!(parts);
    println!("{line}");
}
