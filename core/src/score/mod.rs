//! From readings to a score: the deviations of an event ([`deviation`]) in one unit for all signals
//! ([`calibration`]), less the share of the population ([`shared_deviations`]), their combination
//! ([`combine`]), accumulation over an incident ([`incident`]) of one [`subject`], the alert threshold
//! ([`threshold`]) and severity ([`severity`]).

pub mod calibration;
pub mod combine;
pub mod deviation;
pub mod incident;
pub mod severity;
pub mod shared_deviations;
pub mod subject;
pub mod threshold;
