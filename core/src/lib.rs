//! The scoring core of credwatch: baselines, signals, scores and containment decisions.
//!
//! One [`engine::Engine`] scores the events of one shard, in order, and learns from them. It is pure and
//! deterministic: no I/O, clock, async, randomness, locks or serde; time is the time of events, and equal
//! input gives equal output on every machine. What should be published is returned as a value
//! ([`engine::StepOutput`]).
//!
//! ```
//! use credwatch_core::engine::{Detail, Engine, Settings, SourcePosition};
//! use credwatch_core::event::{Activity, Event, Identity, IdentityKind};
//! use credwatch_core::units::EventTime;
//!
//! let mut engine = Engine::new(Settings::default());
//! let identity = Identity { id: "svc-deploy".into(), kind: IdentityKind::Service, group: None, owner: None
//! }; let event = Event::new("event-1".into(), EventTime::EARLIEST, identity, Activity::Use);
//! let position = SourcePosition { topic: "events".into(), partition: 0, offset: 0, record_time: None };
//! let output = engine.step(&event, engine.keys(&event), &position, Detail::Score);
//! assert!(output.score_nats.is_finite());
//! ```
//!
//! State is saved and restored as records ([`engine::Engine::save`], [`engine::Engine::restore`]), or
//! checkpointed incrementally while events are processed ([`engine::Engine::begin_checkpoint`]).

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
