//! The scoring core of credwatch: baselines, signals, scores and containment decisions.

#![deny(missing_docs)]

pub mod string_enum;
pub mod units;

pub mod stats;

pub mod event;
pub mod sighting;
pub mod verdict;

pub mod catalogue;
pub mod parameters;

pub mod enrich;

pub mod baseline;
pub mod signal;

pub mod score;

pub mod containment;

pub mod engine;
