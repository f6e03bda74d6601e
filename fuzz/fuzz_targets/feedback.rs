//! Any bytes as a feedback record, signed or not: accepted feedback has one command and no false signature.
#![no_main]

use credwatch::feedback::signed_feedback::FeedbackVerifier;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(feedback) = FeedbackVerifier::default().verify(bytes, None) {
        assert!(feedback.command().is_ok() && feedback.signature.is_none());
    }
});
