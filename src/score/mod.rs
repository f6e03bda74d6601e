//! From readings to a score: combination ([`combine`]), accumulation over an incident
//! ([`incident`]), the level at which the SOC hears of it ([`threshold`]), how bad it is
//! ([`severity`]).

pub mod combine;
pub mod incident;
pub mod severity;
pub mod threshold;
