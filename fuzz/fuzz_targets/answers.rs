//! Any bytes as an answer, signed or not: what is taken asks for one thing.
#![no_main]

use credwatch::feedback::signed_feedback::Hearing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(answer) = Hearing::default().read(bytes, Some(0)) {
        assert!(answer.asked().is_ok() && answer.proof.is_none());
    }
});
