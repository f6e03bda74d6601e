//! When checkpoints are taken and how fast they are written.

pub mod duty_cycle;
