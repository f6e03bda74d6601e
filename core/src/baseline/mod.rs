//! Baselines of one identity ([`profile`]), of its peers and the population ([`group_baseline`]), of single
//! credentials ([`credential`]) and of their issuers ([`issuer`]), in a bounded store ([`store`]), with the
//! labels that explanations need ([`label_dictionary`]) and learned peer groups ([`peers`]). All of it can be
//! divided into state records ([`state_record`]) and written while it changes
//! ([`Store::begin_checkpoint`](store::Store::begin_checkpoint)).

pub mod activity_calendar;
mod cow_checkpoint;
mod cow_tracker;
pub mod credential;
pub mod dirty;
pub mod encode_buffer;
pub mod group_baseline;
pub mod host_names;
pub mod issuer;
pub mod label_dictionary;
pub mod peak_days;
pub mod peers;
pub mod profile;
pub mod state_record;
pub mod store;
pub mod store_groups;
pub mod store_snapshot;
mod unlearn;
pub mod usage_history;
