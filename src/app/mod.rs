//! What the commands do, put together from shards and edges.

pub mod check;
pub mod demo;
pub mod evaluate;
pub mod replay;
pub mod run;
pub mod simulate;
pub mod summary;
