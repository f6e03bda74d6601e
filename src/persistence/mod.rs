//! Stored state: as a file ([`snapshot`]) and as records of a compacted topic ([`state_record_codec`]), each
//! with a checksum ([`record_checksum`]).

pub mod record_checksum;
pub mod snapshot;
pub mod state_record_codec;
