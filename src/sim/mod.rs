//! A simulated organisation: people, services, workloads and automations at their daily work, and attacks on
//! them. Pure and seeded: the same seed gives the same events.

pub mod attack;
pub mod change;
pub mod dice;
mod many;
pub mod member;
pub mod organisation;
mod places;
mod script;

use crate::units::EventTime;
use crate::wire::native_out::NativeEvent;

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
