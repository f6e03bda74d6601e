//! Any bytes as records that others may have written: answers, sightings, baselines, orders. Taken or refused.
#![no_main]

use credwatch::signing::KeySet;
use credwatch::wire::answer::Answer;
use credwatch::wire::baseline_record::Reader;
use credwatch::wire::order_check::OrderCheck;
use credwatch::wire::sighting;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Answer::parse(bytes);
    let _ = sighting::decode(bytes);
    let (key, value) = bytes.split_at(bytes.len().min(9));
    let _ = Reader::default().take(key, Some(value));
    let _ = Reader::default().take(b"marker", Some(value));
    let keys = KeySet::default();
    let _ = OrderCheck::new(&keys, None).take(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = keys.open("secevent+jwt", &text);
});
