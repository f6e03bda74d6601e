//! The commands, composed of shards and edges.

pub mod backtest;
pub mod check;
pub mod console_setup;
pub mod demo;
pub mod drift;
pub mod evaluate;
pub mod explain;
pub mod incidents;
pub mod inspect;
mod local_shards;
pub mod map;
pub mod publish_feedback;
mod raised_alerts;
pub mod read_records;
pub mod reliability;
pub mod renewals;
mod reordering;
pub mod replay;
pub mod replay_input;
pub mod review;
pub mod simulate;
pub mod summary;
pub mod verify;
