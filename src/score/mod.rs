//! From readings to a score: what an event deviates in ([`fact`]), in one unit for all signals
//! ([`calibration`]), less what many share ([`crowd`]), combination ([`combine`]), accumulation over
//! an incident ([`incident`]) of somebody ([`subject`]), the level at which the SOC hears of it
//! ([`threshold`]), how bad it is ([`severity`]).

pub mod calibration;
pub mod combine;
pub mod crowd;
pub mod fact;
pub mod incident;
pub mod severity;
pub mod subject;
pub mod threshold;
