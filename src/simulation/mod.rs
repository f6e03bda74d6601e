//! A simulated organisation: people, services, workloads and automations at their daily work, and attacks on
//! them. Pure and seeded: the same seed gives the same events.

pub mod attack;
pub mod change;
pub mod rng;
mod mass_attacks;
pub mod member;
pub mod organisation;
mod places;
mod campaign_script;

use credwatch_core::units::EventTime;
use crate::sources::native::encode::NativeEvent;

/// One event of the simulation.
#[derive(Clone, Debug)]
pub struct SimulatedEvent {
    /// When.
    pub time: EventTime,
    /// The event.
    pub event: NativeEvent,
    /// The attack that it belongs to; `None` for ordinary work.
    pub attack: Option<&'static str>,
}
