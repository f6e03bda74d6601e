//! Any bytes as a Keycloak event: what maps is a native event that decodes.
#![no_main]

use credwatch::sources::{keycloak, native};
use credwatch::token_redaction::Redactor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(mapped) = keycloak::map(bytes) {
        let event = mapped.to_json();
        let decoded = native::decode(&event, &Redactor::default());
        assert!(decoded.is_ok(), "{:?}", decoded.err());
    }
});
