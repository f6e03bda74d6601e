//! Records of each source to native events, on one thread: recognised, mapped and encoded. The records are
//! those of `tests/fixtures/sources/golden`, of typical size.
//!
//! `cargo bench --bench sources`; the goal is 150,000 records a second and core. The ratio is to parsing the
//! same record as any JSON by `serde_json`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its result"
)]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use credwatch::ingest::RecordMapper;
use credwatch::sources::document::split;
use credwatch::sources::jq::JqProgram;
use credwatch::sources::source_format::Format;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SAMPLES: &str = "tests/fixtures/sources/golden";
const MEASURED_FOR: Duration = Duration::from_millis(700);

/// The records of a file, as text.
fn records(path: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let raw = lines.map(|line| match &line["raw"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    raw.collect()
}

/// How often `work` runs on a record in a second.
fn rate(records: &[String], mut work: impl FnMut(&[u8])) -> f64 {
    let (start, mut runs) = (Instant::now(), 0_usize);
    while start.elapsed() < MEASURED_FOR {
        for record in records {
            work(record.as_bytes());
        }
        runs += records.len();
    }
    runs as f64 / start.elapsed().as_secs_f64()
}

fn measure(mapper: &RecordMapper, records: &[String]) -> Value {
    let events = |record: &[u8]| {
        black_box(mapper.expand(black_box(record)));
    };
    let any_json = |record: &[u8]| {
        black_box(serde_json::from_slice::<Value>(black_box(record)).unwrap());
    };
    let bytes: usize = records.iter().map(String::len).sum();
    let (mapped, parsed) = (rate(records, events), rate(records, any_json));
    json!({"records_per_second": mapped.round(), "ratio_to_any_json": mapped / parsed,
        "bytes_per_record": bytes / records.len()})
}

fn main() {
    let auto = RecordMapper::of_format(Format::Auto);
    let mut sources = BTreeMap::new();
    let mut files: Vec<_> = std::fs::read_dir(SAMPLES)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for path in files {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut records = records(&path);
        if name == "cloudtrail_faults" {
            records.retain(|record| {
                let found = split(record.as_bytes()).records;
                found.iter().all(|found| found.format == Format::CloudTrail)
            });
        }
        sources.insert(name, measure(&auto, &records));
    }
    let program = JqProgram::open("config/mappings/gitlab.jq").unwrap();
    let text = std::fs::read_to_string("tests/fixtures/mappings/gitlab.jsonl").unwrap();
    let records: Vec<String> = text.lines().map(str::to_owned).collect();
    let mapper = RecordMapper::of_program(Arc::new(program));
    sources.insert("jq".to_owned(), measure(&mapper, &records));
    println!("{}", json!({"bench": "sources", "sources": sources}));
}
