//! Writes small MMDB files for IPv4: https://maxmind.github.io/MaxMind-DB/

use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::path::Path;

/// A record of a node of the search tree.
#[derive(Clone, Copy)]
enum Record {
    Empty,
    Node(usize),
    Data(usize),
}

/// Separator of the search tree from the data.
const SEPARATOR: usize = 16;
const METADATA: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// Writes a database of `kind` that was built at `built_secs`, with one value for each range.
pub(crate) fn write(path: &Path, kind: &str, built_secs: u64, ranges: &[(&str, Value)]) {
    let (mut nodes, mut data) = (vec![[Record::Empty; 2]], Vec::new());
    for (range, value) in ranges {
        let (address, bits) = range.split_once('/').unwrap();
        let address = u32::from(address.parse::<Ipv4Addr>().unwrap());
        let offset = data.len();
        encode(value, &mut data);
        insert(
            &mut nodes,
            address,
            bits.parse().unwrap(),
            Record::Data(offset),
        );
    }
    let mut file = Vec::new();
    for record in nodes.iter().flatten() {
        let number = match record {
            Record::Empty => nodes.len(),
            Record::Node(index) => *index,
            Record::Data(offset) => nodes.len() + SEPARATOR + offset,
        };
        file.extend((number as u32).to_be_bytes());
    }
    file.extend([0; SEPARATOR]);
    file.extend(data);
    file.extend(METADATA);
    let metadata = json!({"binary_format_major_version": 2, "binary_format_minor_version": 0,
        "build_epoch": built_secs, "database_type": kind, "description": {}, "ip_version": 4,
        "languages": [], "node_count": nodes.len(), "record_size": 32});
    encode(&metadata, &mut file);
    std::fs::write(path, file).unwrap();
}

fn insert(nodes: &mut Vec<[Record; 2]>, address: u32, bits: u32, record: Record) {
    let mut at = 0;
    for depth in 0..bits {
        let side = (address >> (31 - depth) & 1) as usize;
        if depth + 1 == bits {
            nodes[at][side] = record;
            return;
        }
        at = match nodes[at][side] {
            Record::Node(next) => next,
            Record::Empty | Record::Data(_) => {
                let below = nodes[at][side];
                nodes.push([below; 2]);
                let next = nodes.len() - 1;
                nodes[at][side] = Record::Node(next);
                next
            }
        };
    }
}

/// The first byte of a value, which states its type and size.
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (size, more) = match u8::try_from(size).unwrap() {
        size @ 0..29 => (size, None),
        size => (29, Some(size - 29)),
    };
    match kind {
        1..=7 => out.push(kind << 5 | size),
        _ => out.extend([size, kind - 7]),
    }
    out.extend(more);
}

/// A whole number, whose type the readers check.
fn whole(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    control(kind, bytes.len(), out);
    out.extend(bytes);
}

fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(members) => {
            control(7, members.len(), out);
            for (name, value) in members {
                encode(&json!(name), out);
                match (name.as_str(), value.as_u64()) {
                    ("build_epoch", Some(number)) => whole(9, &number.to_be_bytes(), out),
                    (_, Some(number)) if name != "node_count" && number <= 0xffff => {
                        whole(5, &(number as u16).to_be_bytes(), out);
                    }
                    (_, Some(number)) => whole(6, &(number as u32).to_be_bytes(), out),
                    _ => encode(value, out),
                }
            }
        }
        Value::String(text) => {
            control(2, text.len(), out);
            out.extend(text.as_bytes());
        }
        Value::Bool(is_true) => control(14, usize::from(*is_true), out),
        Value::Array(values) => {
            control(11, values.len(), out);
            values.iter().for_each(|value| encode(value, out));
        }
        Value::Number(number) => {
            control(3, 8, out);
            out.extend(number.as_f64().unwrap().to_be_bytes());
        }
        Value::Null => {}
    }
}
