//! From readings to a score: what an event deviates in ([`deviation`]), in one unit for all signals
//! ([`calibration`]), less what many share ([`shared_deviations`]), combination ([`combine`]), accumulation over
//! an incident ([`incident`]) of somebody ([`subject`]), the level at which the SOC hears of it
//! ([`threshold`]), how bad it is ([`severity`]).

pub mod calibration;
pub mod combine;
pub mod deviation;
pub mod incident;
pub mod severity;
pub mod shared_deviations;
pub mod subject;
pub mod threshold;
