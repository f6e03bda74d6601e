//! Feedback of analysts and executors: the record ([`model`]) and its signed form ([`signed_feedback`]).

pub mod model;
pub mod signed_feedback;
