//! When checkpoints are written, and which share of the time they may take.

pub mod duty_cycle;
pub(crate) mod write_pacing;
