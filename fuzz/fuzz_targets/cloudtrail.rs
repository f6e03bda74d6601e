//! Any bytes as a CloudTrail document: what maps is a native event that decodes.
#![no_main]

use credwatch::ingest::expand;
use credwatch::sources::native;
use credwatch::sources::source_format::Format;
use credwatch::token_redaction::Redactor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for item in expand(bytes, Format::CloudTrail).records {
        if let Ok(mapped) = item.outcome {
            let decoded = native::decode(&mapped.json, &Redactor::default());
            assert!(decoded.is_ok(), "{:?}", decoded.err());
        }
    }
});
