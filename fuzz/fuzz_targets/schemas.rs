//! Any bytes as a value of an Avro or a Protobuf schema: what decodes is JSON.
#![no_main]

use credwatch::schemas::{Schema, SchemaKind, parse_frame};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const AVRO: &str = r#"{"type":"record","name":"Event","fields":[
    {"name":"who","type":["null","string"]},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B"]}},
    {"name":"tags","type":{"type":"map","values":{"type":"array","items":["null","bytes","double"]}}},
    {"name":"id","type":{"type":"string","logicalType":"uuid"}}]}"#;
const PROTOBUF: &str = "syntax = \"proto3\"; import \"google/protobuf/struct.proto\"; \
    message Event { string who = 1; repeated Event inner = 2; map<string, bytes> tags = 3; \
    google.protobuf.Struct any = 4; oneof of { int64 at = 5; float share = 6; } \
    message Inner { bool is = 1; } }";

static SCHEMAS: LazyLock<[Schema; 2]> = LazyLock::new(|| {
    [(SchemaKind::Avro, AVRO), (SchemaKind::Protobuf, PROTOBUF)]
        .map(|(kind, text)| Schema::parse(kind, text, &[]).expect("the schemas are valid"))
});

fuzz_target!(|bytes: &[u8]| {
    let _ = parse_frame(bytes);
    for schema in SCHEMAS.iter() {
        if let Ok(json) = schema.to_json(bytes) {
            let parsed = serde_json::from_slice::<serde_json::Value>(&json);
            assert!(parsed.is_ok(), "{:?}", parsed.err());
        }
    }
});
