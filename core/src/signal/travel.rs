//! Signal: travel from the last location at an impossible speed.
//!
//! # Assumption
//! Geolocation errs by up to [`UNCERTAINTY_KM`]. Impossible journeys are caused by VPNs and phones at a rate
//! of the identity's own, centred on its peers'.
//!
//! # Formula
//! Great-circle distance less the uncertainty, over the time between; above [`MAX_KM_PER_HOUR`] the reading
//! is the posterior mean of such journeys per day, (j + s·r)/(d + s). Journeys of `FAR_KM` and more are
//! counted separately, because carriers and databases err at short range. A network that many share, such as
//! a carrier's, has no position of theirs. A network that is known to the
//! identity abstains: that is its VPN, or its phone. Machines do not travel: they are deployed elsewhere,
//! which `network` reads.
//!
//! # At n = 0
//! The peers' rate; without peers the prior. Cost: three trigonometric functions where the location
//! changed; none otherwise.
//!
//! # Source
//! Haversine: Sinnott, "Virtues of the haversine", Sky and Telescope 68 (1984).

use super::{
    LearnContext, ScoreContext, Signal, SignalFamily, VALID_ACCOUNTS, evidence_level, format_odds,
};
use crate::baseline::credential::secs;
use crate::event::IdentityKind;
use crate::stats::beta_binomial::posterior_mean;
use crate::stats::hash::key32;
use crate::units::Span;
use crate::verdict::{EntityView, Explanation, Reading, SignalName, Technique};

/// The `travel` signal.
pub struct Travel;

/// Assumed error of geolocation.
pub const UNCERTAINTY_KM: f64 = 200.0;
/// Faster than passenger aircraft.
pub const MAX_KM_PER_HOUR: f64 = 1_000.0;
/// Errors of geolocation within a country or between neighbours are shorter than this.
const FAR_KM: f64 = 1_500.0;
const EARTH_KM: f64 = 6_371.0;
const TRAVEL_SPACE: u64 = 0x7a;
/// Prior strength of the peers' rate, in days.
const PEERS_PRIOR_STRENGTH: f64 = 10.0;
/// Prior strength of the model's rate for the peers, in days.
const PRIOR_STRENGTH: f64 = 50.0;
const SECS_PER_DAY: u32 = 86_400;

/// Kilometres between two locations, each in degrees north and east.
#[must_use]
pub fn distance_km(from: (f64, f64), to: (f64, f64)) -> f64 {
    let radians = |degrees: f64| degrees * std::f64::consts::PI / 180.0;
    let half_sine = |degrees: f64| libm::sin(radians(degrees) / 2.0);
    let (north, east) = (half_sine(to.0 - from.0), half_sine(to.1 - from.1));
    let chord = north * north + libm::cos(radians(from.0)) * libm::cos(radians(to.0)) * east * east;
    2.0 * EARTH_KM * libm::asin(libm::sqrt(chord.clamp(0.0, 1.0)))
}

/// Distance in kilometres and time in seconds, where the speed is impossible.
fn impossible_journey(
    place: Option<(f64, f64)>,
    now: u32,
    journey: &crate::baseline::profile::Journey,
) -> Option<(f64, u32)> {
    let to = place.filter(|_| journey.secs > 0)?;
    let from = (f64::from(journey.latitude), f64::from(journey.longitude));
    if (from.0 - to.0).abs() < 0.5 && (from.1 - to.1).abs() < 0.5 {
        return None;
    }
    let taken = now.abs_diff(journey.secs);
    let distance = distance_km(from, to);
    let hours = f64::from(taken) / 3_600.0;
    ((distance - UNCERTAINTY_KM) > MAX_KM_PER_HOUR * hours.max(1.0 / 60.0))
        .then_some((distance, taken))
}

impl Signal for Travel {
    fn name(&self) -> SignalName {
        SignalName::Travel
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Origin
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[VALID_ACCOUNTS]
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        if context.features.kind != IdentityKind::Human {
            return None;
        }
        let journey = &context.profile.journey;
        let (distance, _) = impossible_journey(
            context.event.source.own_position(),
            secs(context.event.time),
            journey,
        )?;
        let known = |key| context.profile.network.contains(key);
        if context.features.network.is_some_and(known) {
            return None;
        }
        let shared = f64::from(context.shared_weight);
        let prior = context.parameters.prior.impossible_journeys_a_day;
        let is_far = distance >= FAR_KM;
        let (own_jumps, peers_jumps) = if is_far {
            (journey.far_jumps, context.peers.journey_far_jumps)
        } else {
            (journey.jumps, context.peers.journey_jumps)
        };
        let tried = context.peers.journey_days / shared;
        let peers = posterior_mean(peers_jumps / shared, tried, prior, PRIOR_STRENGTH);
        let own = f64::from(context.profile_weight);
        let days = f64::from(journey.days) / own;
        let p = posterior_mean(
            f64::from(own_jumps) / own,
            days,
            peers,
            PEERS_PRIOR_STRENGTH,
        );
        let level = evidence_level(days, PEERS_PRIOR_STRENGTH);
        let deviation_key = key32(TRAVEL_SPACE, &[u8::from(is_far)]);
        Some(Reading::new(p, level, days, deviation_key))
    }

    fn shared_key(&self, _: &ScoreContext<'_>, _: &Reading) -> Option<u32> {
        None
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        let found = impossible_journey(
            context.event.source.own_position(),
            secs(context.event.time),
            &context.profile.journey,
        );
        let (distance, taken) = found.unwrap_or((0.0, 0));
        let taken = Span {
            ms: i64::from(taken) * 1_000,
        };
        let observed = format!("{distance:.0} km within {taken}");
        let sentence = format!(
            "{observed}, faster than any aircraft ({} days)",
            format_odds(reading.p)
        );
        Explanation {
            observed,
            expected: "possible travel".to_owned(),
            sentence,
        }
    }

    fn learn(&self, context: &mut LearnContext<'_>) {
        let (Some(place), Some(profile)) = (
            context.event.source.own_position(),
            context.baselines.profile.as_deref_mut(),
        ) else {
            return;
        };
        let now = secs(context.event.time);
        let journey = &mut profile.journey;
        if now < journey.secs {
            // A late event states a past location.
            return;
        }
        let jumped = impossible_journey(Some(place), now, journey).map(|(distance, _)| distance);
        let is_far = jumped.is_some_and(|distance| distance >= FAR_KM);
        let (jumped, far) = (u8::from(jumped.is_some()), u8::from(is_far));
        let (jumped, far) = (f32::from(jumped), f32::from(far));
        let new_day = f32::from(u8::from(journey.secs / SECS_PER_DAY != now / SECS_PER_DAY));
        journey.days += context.profile_weight * new_day;
        journey.jumps += context.profile_weight * jumped;
        journey.far_jumps += context.profile_weight * far;
        let peers = &mut context.baselines.peers;
        peers.journey_days += f64::from(context.shared_weight * new_day);
        peers.journey_jumps += f64::from(context.shared_weight * jumped);
        peers.journey_far_jumps += f64::from(context.shared_weight * far);
        (journey.latitude, journey.longitude) = (place.0 as f32, place.1 as f32);
        journey.secs = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_between_cities_are_correct() {
        let (oslo, sydney) = ((59.91, 10.75), (-33.87, 151.21));
        assert!((distance_km(oslo, sydney) - 15_960.0).abs() < 50.0);
        assert!(distance_km(oslo, oslo).abs() < 1e-9);
    }
    #[test]
    fn a_journey_within_the_error_of_geolocation_is_possible() {
        let journey = crate::baseline::profile::Journey {
            latitude: 50.0,
            longitude: 0.0,
            secs: 3_600,
            ..Default::default()
        };
        // A degree of latitude is 111 km; an hour passed.
        let to = |degrees: f64| impossible_journey(Some((50.0 + degrees, 0.0)), 7_200, &journey);
        assert_eq!(to(10.5), None, "1,167 km, of which 200 km may be an error");
        assert!(to(11.0).is_some_and(|(km, secs)| km > 1_200.0 && secs == 3_600));
    }
}
