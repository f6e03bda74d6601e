//! The commands, composed of shards and edges.

pub mod backtest;
pub mod check;
pub mod demo;
pub mod evaluate;
pub mod explain;
mod local_shards;
pub mod publish_feedback;
pub mod reliability;
pub mod renewals;
pub mod replay;
pub mod replay_input;
pub mod review;
pub mod service_client;
pub mod simulate;
pub mod summary;
pub mod unused_privileges;
pub mod verify;
