//! What the commands do, put together from shards and edges.

pub mod answer;
pub mod backtest;
pub mod check;
pub mod demo;
pub mod drift;
pub mod evaluate;
pub mod explain;
pub mod feed;
mod lanes;
pub mod reliability;
pub mod renewals;
pub mod replay;
pub mod review;
pub mod run;
pub mod service;
pub mod simulate;
pub mod summary;
pub mod verify;
