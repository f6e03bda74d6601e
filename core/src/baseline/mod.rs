//! What is known: of one identity ([`profile`]), of its peers and of everyone ([`group_baseline`]), of
//! single credentials ([`credential`]) and of who issues them ([`issuer`]), in a bounded store
//! ([`store`]), with the texts that explanations need ([`label_dictionary`]), and who are peers where nobody
//! says ([`peers`]); all of it can be taken apart and put together ([`state_record`]), and kept while it
//! changes ([`Store::begin_checkpoint`](store::Store::begin_checkpoint)).

mod cow_checkpoint;
mod cow_tracker;
pub mod credential;
pub mod dirty;
pub mod encode_buffer;
pub mod group_baseline;
pub mod issuer;
pub mod label_dictionary;
pub mod peers;
pub mod profile;
pub mod state_record;
pub mod store;
pub mod store_snapshot;
mod unlearn;
pub mod usage_history;
