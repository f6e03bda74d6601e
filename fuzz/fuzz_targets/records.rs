//! Any bytes as records that others may have written: feedback, sightings, baselines, orders.
#![no_main]

use credwatch::crypto::KeySet;
use credwatch::feedback::model::Feedback;
use credwatch::orders::verify::OrderVerifier;
use credwatch::outputs::sighting_record;
use credwatch::persistence::state_record_codec::StateRecordReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Feedback::parse(bytes);
    let _ = sighting_record::decode(bytes);
    let (key, value) = bytes.split_at(bytes.len().min(9));
    let _ = StateRecordReader::default().read(key, Some(value));
    let _ = StateRecordReader::default().read(b"marker", Some(value));
    let keys = KeySet::default();
    let _ = OrderVerifier::new(&keys, None).verify(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = keys.verify("secevent+jwt", &text);
});
