//! Any bytes as a document of any source, in any envelope: what maps is a native event that decodes.
#![no_main]

use credwatch::ingest::expand;
use credwatch::sources::native;
use credwatch::sources::source_format::Format;
use credwatch::token_redaction::Redactor;
use libfuzzer_sys::fuzz_target;

const FORMATS: [Format; 15] = [
    Format::Auto,
    Format::Auth0,
    Format::Duo,
    Format::Entra,
    Format::Gcp,
    Format::GitHub,
    Format::GoogleWorkspace,
    Format::Kubernetes,
    Format::Ocsf,
    Format::Okta,
    Format::OnePassword,
    Format::Ssh,
    Format::Vault,
    Format::Windows,
    Format::Azure,
];

fuzz_target!(|bytes: &[u8]| {
    let Some((format, document)) = bytes.split_first() else {
        return;
    };
    let format = FORMATS[usize::from(format.wrapping_sub(b'0')) % FORMATS.len()];
    for item in expand(document, format).records {
        // A native line is decoded later, and may be anything until then.
        let mapped = item.outcome.ok().filter(|native| native.key.is_some());
        if let Some(mapped) = mapped {
            let decoded = native::decode(&mapped.json, &Redactor::default());
            assert!(decoded.is_ok(), "{:?}", decoded.err());
        }
    }
});
