//! Any bytes as records that others may have written: answers, sightings, baselines, orders. Taken or refused.
#![no_main]

use credwatch::crypto::KeySet;
use credwatch::feedback::model::Answer;
use credwatch::persistence::state_record_codec::Reader;
use credwatch::orders::order_verifier::OrderCheck;
use credwatch::outputs::sighting_record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Answer::parse(bytes);
    let _ = sighting_record::decode(bytes);
    let (key, value) = bytes.split_at(bytes.len().min(9));
    let _ = Reader::default().take(key, Some(value));
    let _ = Reader::default().take(b"marker", Some(value));
    let keys = KeySet::default();
    let _ = OrderCheck::new(&keys, None).take(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = keys.open("secevent+jwt", &text);
});
