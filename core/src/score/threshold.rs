//! The alert threshold: the score that daily peaks exceed as often as the alert budget states, and at least
//! `min_nats`, or somewhat less where identities are few. The budget is a ceiling, not a quota: however quiet
//! the week, weaker evidence is no alert.
//!
//! # Formula
//! Every identity's largest score of a day is a peak. Once a day the level is estimated from the tail
//! ([`crate::stats::peaks_over_threshold`]). While few peaks were observed, the estimate is mixed with the
//! initial level. Its weight is `full_weight_below_nats`² over the squared standard error of the level, and
//! at most the share of a week that has passed, because weekends differ from working days. Many identities
//! thus have their own threshold after a week, and few take as long as they need. A day moves the threshold
//! by at most `max_rise_nats_per_day` or `max_fall_nats_per_day`, so that a flood cannot suppress later
//! alerts. The number of identities bounds it from below ([`Threshold::nats`]).

use crate::parameters::{DecayParams, ThresholdParams};
use crate::stats::peaks_over_threshold::PeakTail;
use crate::units::MS_PER_DAY;
use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;

/// Margin of an initial threshold above the derived level, in nats.
const WARMUP_MARGIN_NATS: f64 = 3.0;
/// Ratio of the alert rate to the budget from which it is reported. A budget is a ceiling: quiet weeks are
/// good.
const BUDGET_TOLERANCE: f64 = 2.0;
/// Scores of whole events reach 7 nats about 15 times as often as calibrated ones would (`credwatch evaluate`
/// prints the ratio), in nats.
const EXCESS_OF_SCORES_NATS: f64 = 2.7;
const DAYS_PER_WEEK: f64 = 7.0;
/// Further days without alerts beyond this change nothing.
const MAX_SILENT_DAYS: i64 = 60;

/// State of a threshold.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct ThresholdState {
    tail: PeakTail,
    nats: f64,
    day: Option<i64>,
    days_seen: f64,
    error_nats: f64,
    alerts_today: u32,
    daily_alerts: f64,
    is_out_of_budget: bool,
}

/// The alert rate exceeds its budget, or is back within it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetAlert {
    /// Recent alert rate over the budget.
    pub ratio: f64,
    /// Whether the rate exceeds the budget.
    pub is_out_of_budget: bool,
    /// Threshold now, in nats.
    pub threshold_nats: f64,
}

impl fmt::Display for BudgetAlert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ratio, nats) = (self.ratio, self.threshold_nats);
        let moves = "the threshold adapts daily";
        if self.is_out_of_budget {
            write!(
                f,
                "alerts come at {ratio:.1} times their budget, from {nats:.1} nats on; {moves}; if \
                 they are worth reading, raise `detect.alerts_per_day`"
            )
        } else {
            write!(f, "alert rate is back within budget ({ratio:.1}× budget)")
        }
    }
}

/// The alert threshold of one shard.
#[derive(Clone, Debug)]
pub struct Threshold {
    state: ThresholdState,
    alerts_per_day: f64,
    params: ThresholdParams,
    daily_decay: f64,
}

impl Threshold {
    /// A threshold for `alerts_per_day` alerts per day of this shard.
    #[must_use]
    pub fn new(alerts_per_day: f64, params: ThresholdParams, decay: &DecayParams) -> Self {
        Self {
            state: ThresholdState {
                tail: PeakTail::default(),
                nats: params.initial_nats,
                day: None,
                days_seen: 0.0,
                error_nats: f64::INFINITY,
                alerts_today: 0,
                daily_alerts: 0.0,
                is_out_of_budget: false,
            },
            alerts_per_day,
            params,
            daily_decay: decay.peak_half_life.remaining(MS_PER_DAY),
        }
    }

    /// The threshold where `identities` have a baseline.
    ///
    /// A score in calibrated nats is exceeded by e^−x of identity-days, so chance alone takes its share *s*
    /// of the budget at ln(identities/(*s*·budget)): of many identities some show weak evidence every day.
    /// Until the tail is estimated, the bound is up to `WARMUP_MARGIN_NATS` above that: a new deployment
    /// learns before it alerts. Few identities show weak evidence seldom, so that the lower bound rises from
    /// `min_nats_of_few` to `min_nats` with that logarithm.
    #[must_use]
    pub fn nats(&self, identities: usize) -> f64 {
        let margin = (1.0 - self.learned_share()) * WARMUP_MARGIN_NATS;
        let bound = self.bound(self.alerts_per_day, identities, margin);
        self.state.nats.max(bound)
    }

    /// The threshold that a budget of `alerts_per_day` would have; `None` where the tail is not estimated.
    #[must_use]
    pub fn nats_for(&self, alerts_per_day: f64, identities: usize) -> Option<f64> {
        let level = self.state.tail.level_for_rate(alerts_per_day)?;
        let bound = self.bound(alerts_per_day, identities, 0.0);
        Some(level.nats.max(self.params.min_nats_of_few).max(bound))
    }

    fn bound(&self, alerts_per_day: f64, identities: usize, margin: f64) -> f64 {
        let by_chance = self.params.chance_share_of_budget * alerts_per_day;
        let chance_nats = libm::log(identities.max(1) as f64 / by_chance);
        let strength = (chance_nats + EXCESS_OF_SCORES_NATS).min(self.params.min_nats);
        strength.max(chance_nats + margin)
    }

    /// The state, for a snapshot.
    #[must_use]
    pub fn state(&self) -> &ThresholdState {
        &self.state
    }

    /// Restores the state under the present budget and parameters.
    pub fn restore(&mut self, learned: ThresholdState) {
        self.state = learned;
    }

    /// Lower bound of the threshold, however many identities there are.
    #[must_use]
    pub fn min_nats_of_few(&self) -> f64 {
        self.params.min_nats_of_few
    }

    /// Weight of the estimate in the threshold, 0 to 1.
    #[must_use]
    pub fn learned_share(&self) -> f64 {
        let exactness = self.params.tolerated_error_nats / self.state.error_nats;
        (exactness * exactness)
            .min(self.state.days_seen / DAYS_PER_WEEK)
            .min(1.0)
    }

    /// Number of days that it was estimated from.
    #[must_use]
    pub fn days_seen(&self) -> f64 {
        self.state.days_seen
    }

    /// Recent alert rate over the budget; `None` before the first day is over.
    #[must_use]
    pub fn budget_ratio(&self) -> Option<f64> {
        (self.state.days_seen >= 1.0).then(|| {
            self.state.daily_alerts / self.state.tail.days().max(1.0) / self.alerts_per_day
        })
    }

    /// The largest score of one identity on a past day.
    pub fn record_peak(&mut self, peak_nats: f64) {
        self.state.tail.add(peak_nats);
    }

    /// Counts an alert towards the rate.
    pub fn record_alert(&mut self) {
        self.state.alerts_today += 1;
    }

    /// Returns to `day`, where time had jumped ahead of it.
    pub fn rewind_to_day(&mut self, day: i64) {
        self.state.day = self.state.day.map(|today| today.min(day));
    }

    /// Advances to `day` (days since the epoch). Returns a notice where the alert rate, once known, exceeds
    /// its budget by a factor of `BUDGET_TOLERANCE`, or is back within it.
    #[inline]
    pub fn advance_to_day(&mut self, day: i64) -> Option<BudgetAlert> {
        match self.state.day {
            Some(today) if day <= today => None,
            Some(today) => {
                self.close_days(day - today, day);
                self.check_budget()
            }
            None => {
                self.state.day = Some(day);
                None
            }
        }
    }

    fn check_budget(&mut self) -> Option<BudgetAlert> {
        let ratio = self
            .budget_ratio()
            .filter(|_| self.learned_share() >= 1.0)?;
        let is_off = ratio > BUDGET_TOLERANCE;
        let is_news = is_off != self.state.is_out_of_budget;
        self.state.is_out_of_budget = is_off;
        is_news.then_some(BudgetAlert {
            ratio,
            is_out_of_budget: is_off,
            threshold_nats: self.state.nats,
        })
    }

    #[cold]
    fn close_days(&mut self, days: i64, day: i64) {
        self.state.day = Some(day);
        for _ in 0..days.min(MAX_SILENT_DAYS) {
            self.state.tail.close_day(self.daily_decay);
            self.state.days_seen += 1.0;
            self.state.daily_alerts =
                self.state.daily_alerts * self.daily_decay + f64::from(self.state.alerts_today);
            self.state.alerts_today = 0;
            self.adjust();
        }
    }

    fn adjust(&mut self) {
        let Some(level) = self.state.tail.level_for_rate(self.alerts_per_day) else {
            return;
        };
        self.state.error_nats = level.error_nats;
        let learned = self.learned_share();
        let goal = learned * level.nats + (1.0 - learned) * self.params.initial_nats;
        self.state.nats = goal
            .clamp(
                self.state.nats - self.params.max_fall_nats_per_day,
                self.state.nats + self.params.max_rise_nats_per_day,
            )
            .max(self.params.min_nats_of_few);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Parameters;

    fn threshold() -> Threshold {
        let parameters = Parameters::default();
        Threshold::new(5.0, parameters.threshold, &parameters.decay)
    }

    #[test]
    fn a_new_deployment_with_many_identities_has_a_high_threshold() {
        let threshold = threshold();
        assert!(threshold.nats(1_000_000) > 15.0);
        assert!((threshold.nats(100) - 9.0).abs() < 1e-9);
    }

    #[test]
    fn learned_it_leaves_chance_its_share_of_the_budget_and_no_more() {
        let mut threshold = threshold();
        let learned = ThresholdState {
            nats: 7.0,
            days_seen: 30.0,
            error_nats: 0.0,
            ..threshold.state().clone()
        };
        threshold.restore(learned);
        assert!(
            (threshold.nats(500) - 7.0).abs() < 1e-12,
            "the estimate is higher"
        );
        let by_chance = 100_000.0 * libm::exp(-threshold.nats(100_000));
        let share = Parameters::default().threshold.chance_share_of_budget;
        assert!((by_chance - share * 5.0).abs() < 1e-9, "{by_chance}");
    }

    /// A threshold whose estimate has half the weight.
    fn half_learned(nats: f64) -> Threshold {
        let mut threshold = threshold();
        let learned = ThresholdState {
            nats,
            day: Some(0),
            days_seen: 3.5,
            error_nats: threshold.params.tolerated_error_nats,
            ..threshold.state().clone()
        };
        threshold.restore(learned);
        threshold
    }

    #[test]
    fn half_learned_it_stands_half_of_the_margin_above_chance() {
        let threshold = half_learned(3.0);
        assert!((threshold.learned_share() - 0.5).abs() < 1e-12);
        let demanded = libm::log(1_000_000.0) + 0.5 * WARMUP_MARGIN_NATS;
        assert!((threshold.nats(1_000_000) - demanded).abs() < 1e-12);
        assert!((half_learned(30.0).nats(1_000_000) - 30.0).abs() < 1e-12);
    }

    #[test]
    fn half_learned_it_stays_where_it_began_if_the_estimate_is_there_too() {
        let estimate = libm::log(20_000.0 / 5.0);
        let mut threshold = half_learned(estimate);
        threshold.params.initial_nats = estimate;
        for day in 1..=3 {
            for draw in 0..20_000 {
                threshold.record_peak(-libm::log((f64::from(draw) + 0.5) / 20_000.0));
            }
            threshold.advance_to_day(day);
            let moved = (threshold.state().nats - estimate).abs();
            assert!(threshold.learned_share() < 1.0 && moved < 0.4, "{moved}");
        }
    }

    #[test]
    fn it_is_never_below_its_bound() {
        let threshold = threshold();
        let bound = Parameters::default().threshold.min_nats_of_few;
        assert!((threshold.min_nats_of_few() - bound).abs() < 1e-12);
    }

    #[test]
    fn few_identities_have_a_lower_bound_and_a_hundred_the_full_one() {
        let mut threshold = threshold();
        let params = Parameters::default().threshold;
        let quiet = ThresholdState {
            nats: params.min_nats_of_few,
            days_seen: 30.0,
            error_nats: 0.0,
            ..threshold.state().clone()
        };
        threshold.restore(quiet);
        for (identities, bound) in [
            (1, params.min_nats_of_few),
            (15, params.min_nats_of_few),
            (100, params.min_nats),
            (900, params.min_nats),
        ] {
            assert!((threshold.nats(identities) - bound).abs() < 1e-12);
        }
        let between = threshold.nats(45);
        assert!(params.min_nats_of_few < between && between < params.min_nats);
    }

    #[test]
    fn a_day_that_was_counted_is_not_counted_again() {
        let mut threshold = threshold();
        for day in [5, 3, 5, 4] {
            assert_eq!(threshold.advance_to_day(day), None);
        }
        assert!(threshold.days_seen() < 1e-12);
        threshold.advance_to_day(6);
        assert!((threshold.days_seen() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_flood_raises_it_no_faster_than_the_limit() {
        let mut threshold = threshold();
        threshold.advance_to_day(0);
        for day in 1..=30 {
            (0..10_000).for_each(|_| threshold.record_peak(40.0));
            let before = threshold.nats(0);
            threshold.advance_to_day(day);
            assert!(threshold.nats(0) <= before + 0.5 + 1e-9);
        }
    }

    #[test]
    fn it_converges_to_the_budget_and_tells_that_of_another() {
        let mut threshold = threshold();
        let threshold_without_peaks = threshold.clone();
        threshold.advance_to_day(0);
        for day in 1..=60 {
            for draw in 0..20_000 {
                threshold.record_peak(-libm::log((f64::from(draw) + 0.5) / 20_000.0));
            }
            threshold.advance_to_day(day);
        }
        assert!(
            (threshold.nats(0) - libm::log(20_000.0 / 5.0)).abs() < 0.4,
            "{}",
            threshold.nats(0)
        );
        let of_budget = |alerts: f64| threshold.nats_for(alerts, 100).unwrap();
        assert!((of_budget(5.0) - threshold.nats(0)).abs() < 0.2);
        assert!((of_budget(1.0) - libm::log(20_000.0)).abs() < 0.6);
        let bound = Parameters::default().threshold.min_nats_of_few;
        assert!(
            (of_budget(1_000.0) - bound).abs() < 1e-9,
            "weaker evidence is none"
        );
        assert_eq!(threshold_without_peaks.nats_for(5.0, 100), None);
    }

    #[test]
    fn few_identities_take_longer_to_estimate_than_many() {
        let days_to_learn = |identities: u32| {
            let mut threshold = threshold();
            threshold.advance_to_day(0);
            let mut days = 1..400;
            days.find(|day| {
                for identity in 0..identities {
                    let draw = (i64::from(identity) * 7 + day * 3) % 10;
                    threshold.record_peak(-libm::log((draw as f64 + 0.5) / 10.0));
                }
                threshold.advance_to_day(*day);
                threshold.learned_share() >= 1.0
            })
        };
        assert_eq!(days_to_learn(500), Some(7));
        assert!(days_to_learn(1).is_none_or(|days| days > 14));
    }

    #[test]
    fn an_alert_rate_off_budget_is_reported_once_and_on_return() {
        let mut threshold = threshold();
        let mut notices = Vec::new();
        for day in 0..60 {
            let alerts = if (20..30).contains(&day) { 40 } else { 5 };
            notices.extend(
                threshold
                    .advance_to_day(day)
                    .map(|budget_alert| (day, budget_alert.is_out_of_budget)),
            );
            (0..alerts).for_each(|_| threshold.record_alert());
            (0..100).for_each(|peak| threshold.record_peak(f64::from(peak) / 20.0));
        }
        assert_eq!(notices.len(), 2, "{notices:?}");
        assert!(matches!(notices[0], (21..=24, true)), "{notices:?}");
        assert!(matches!(notices[1], (31..=55, false)), "{notices:?}");
    }
}
