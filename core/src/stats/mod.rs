//! Estimators over numbers and hashed values; they do not depend on the event model.
//!
//! Every transcendental function comes from `libm`, so that the same input gives the same bits on
//! every machine.

pub mod attempts;
pub mod beta_binomial;
pub mod borsh_codec;
pub mod category;
pub mod decay;
pub mod decayed;
pub mod exceedance;
pub mod hash;
pub mod hour_of_week;
pub mod hourly_volume;
pub mod knowable;
pub mod lifetime;
pub mod linear_count;
pub mod peaks_over_threshold;
pub mod special;
pub mod student;
