//! Stored state: as a file ([`snapshot`]) and as records of a compacted topic
//! ([`state_record_codec`]).

pub mod snapshot;
pub mod state_record_codec;
