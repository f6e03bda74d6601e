//! A simulated organisation: people, services, workloads and automations at work, and attacks on them. Pure
//! and seeded: the same seed gives the same events.

pub mod attack;
mod campaign_script;
pub mod change;
mod mass_attacks;
pub mod member;
pub mod organisation;
mod places;
pub mod rng;

use crate::sources::native::encode::NativeEvent;
use credwatch_core::units::EventTime;

/// One event of the simulation.
#[derive(Clone, Debug)]
pub struct SimulatedEvent {
    /// Event time.
    pub time: EventTime,
    /// The event.
    pub event: NativeEvent,
    /// The attack that it belongs to; `None` for ordinary work.
    pub attack: Option<&'static str>,
}
