//! Hours in which an entity is active: circular rates over 24 hours of working days and 24 of weekends (UTC),
//! each relative to the number of such days observed.
//!
//! # Assumption
//! In each hour of a kind of day an entity is active at a rate of its own; neighbouring hours are
//! similar, so counts are smoothed by the circular kernel (¼, ½, ¼). An hour counts once however
//! many events fall into it.
//!
//! # Formula
//! rate(b) = (smoothed count(b) + κ · prior rate(b)) / (days observed + κ), days of that kind only.
//! A first weekend is therefore scored by the prior and not by the weekdays before it.
//! The prior of an identity is that of its peers in hours from the centre of their activity, moved to its own
//! centre: colleagues in other time zones work at other hours, and as long. The centre is the direction of
//! the mean of the hours on the circle; where the mean is shorter than `MIN_CONCENTRATION`, activity has no
//! centre, and the prior is even over the day. Where no prior is given, working hours are assumed uniform,
//! and weekend hours equal to working hours. The tail of an hour is the share of expected activity in hours
//! with a lower rate, and half of that in hours of the same rate (mid-p); rates within a factor of two
//! count as equal, because there are few weeks, and one hour of a busy day is always the least busy.
//!
//! # Cost and memory
//! Some 100 multiply-adds per query; 104 bytes: a count has eight significant bits, which is exact
//! enough for the few dozen weeks that it holds.
//!
//! # Source
//! Kernel smoothing on the circle: Hall, Watson, Cabrera, "Kernel density estimation with
//! spherical data", Biometrika 74 (1987); rates: the gamma–Poisson posterior mean.

use crate::units::{EventTime, MS_PER_HOUR};
use borsh::{BorshDeserialize, BorshSerialize};
use half::bf16;
use std::f32::consts::{FRAC_1_SQRT_2, TAU};

/// Hours of a working day, then hours of a weekend day.
pub const BINS: usize = 48;
const HOURS: usize = 24;
/// Days of each kind in a week.
const DAYS_PER_WEEK: [f32; 2] = [5.0, 2.0];
/// A silence is evaluated day by day up to this many days.
const MAX_DAYS: i64 = 28;

/// The bin of a time, 0 to 47.
#[must_use]
pub fn bin_of(time: EventTime) -> usize {
    let hours = time.epoch_ms().div_euclid(MS_PER_HOUR);
    let hour = hours.rem_euclid(24) as usize;
    HOURS * day_kind(hours.div_euclid(24)) + hour
}

/// Whether `day`, in days since the epoch, is a Saturday or a Sunday.
#[must_use]
pub fn is_weekend(day: i64) -> bool {
    // 1970-01-01 was a Thursday: day 0 is weekday 3, counted from Monday.
    (day + 3).rem_euclid(7) >= 5
}

/// 0 for a working day, 1 for a weekend day; `day` in days since the epoch.
fn day_kind(day: i64) -> usize {
    usize::from(is_weekend(day))
}

/// Working and weekend days after day `from` up to day `to`.
#[must_use]
pub fn days_between(from: i64, to: i64) -> [u8; 2] {
    let mut days = [0; 2];
    for day in (from + 1).max(to - MAX_DAYS + 1)..=to {
        days[day_kind(day)] += 1;
    }
    days
}

/// Expected active hours per day, by bin.
pub type HourRates = [f32; BINS];

/// Minimum length of the mean hour on the circle, 0 to 1, from which activity has a centre. Nine hours in a
/// row have .78, nineteen .24.
const MIN_CONCENTRATION: f32 = 0.3;
/// Cosine of the angle of each hour.
const COSINES: [f32; HOURS] = [
    1.0,
    0.965_926,
    0.866_025,
    FRAC_1_SQRT_2,
    0.5,
    0.258_819,
    0.0,
    -0.258_819,
    -0.5,
    -FRAC_1_SQRT_2,
    -0.866_025,
    -0.965_926,
    -1.0,
    -0.965_926,
    -0.866_025,
    -FRAC_1_SQRT_2,
    -0.5,
    -0.258_819,
    0.0,
    0.258_819,
    0.5,
    FRAC_1_SQRT_2,
    0.866_025,
    0.965_926,
];

/// The bin whose hour is as far from midnight as that of `bin` is from `centre`.
#[must_use]
pub fn relative_bin(bin: usize, centre: usize) -> usize {
    bin - bin % HOURS + (bin % HOURS + HOURS - centre % HOURS) % HOURS
}

/// Rates of peers, in hours from the centre of their activity, moved to the centre of an identity's.
#[derive(Clone, Copy, Debug)]
pub struct PeerRates<'r> {
    rates: &'r HourRates,
    centre: Option<usize>,
    even: [f32; 2],
}

impl<'r> PeerRates<'r> {
    /// `rates` moved to `centre`; even over the day without one.
    #[must_use]
    pub fn new(rates: &'r HourRates, centre: Option<usize>) -> Self {
        let mean = |kind: usize| rates[kind * HOURS..][..HOURS].iter().sum::<f32>() / HOURS as f32;
        Self {
            rates,
            centre,
            even: [mean(0), mean(1)],
        }
    }

    /// The rate of `bin`.
    #[must_use]
    pub fn of(&self, bin: usize) -> f32 {
        match self.centre {
            Some(centre) => self.rates[relative_bin(bin, centre)],
            None => self.even[bin / HOURS],
        }
    }
}

/// Decayed counts of active hours by bin, and of observed days.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct HourProfile {
    counts: Counts,
    days: [f32; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
struct Counts(
    #[borsh(
        serialize_with = "crate::stats::borsh_codec::bf16s_to",
        deserialize_with = "crate::stats::borsh_codec::bf16s_from"
    )]
    [bf16; BINS],
);

impl Default for Counts {
    fn default() -> Self {
        Self([bf16::ZERO; BINS])
    }
}

impl Counts {
    fn as_f32(&self) -> [f32; BINS] {
        self.0.map(bf16::to_f32)
    }

    fn update(&mut self, bin: usize, new: impl Fn(f32) -> f32) {
        self.0[bin] = bf16::from_f32(new(self.0[bin].to_f32()));
    }
}

impl HourProfile {
    /// Counts one active hour.
    pub fn add(&mut self, bin: usize, weight: f32) {
        self.counts.update(bin % BINS, |count| count + weight);
    }

    /// Counts passed days, by kind.
    pub fn add_days(&mut self, days: [u8; 2], weight: f32) {
        for (sum, days) in self.days.iter_mut().zip(days) {
            *sum += f32::from(days) * weight;
        }
    }

    /// Multiplies all weights by `factor`.
    pub fn rescale(&mut self, factor: f32) {
        (0..BINS).for_each(|bin| self.counts.update(bin, |count| count * factor));
        self.days.iter_mut().for_each(|d| *d *= factor);
    }

    /// Decayed number of active hours.
    #[must_use]
    pub fn observations(&self, weight_now: f32) -> f64 {
        f64::from(self.counts.as_f32().iter().sum::<f32>() / weight_now)
    }

    /// Decayed number of observed days.
    #[must_use]
    pub fn days(&self, weight_now: f32) -> f32 {
        (self.days[0] + self.days[1]) / weight_now
    }

    /// Hour of the day around which the activity centres, 0 to 23; `None` where it has no centre.
    #[must_use]
    pub fn centre(&self) -> Option<usize> {
        let counts = self.counts.as_f32();
        let (mut along, mut across, mut all) = (0.0, 0.0, 0.0);
        for (bin, count) in counts.iter().enumerate() {
            along += count * COSINES[bin % HOURS];
            across += count * COSINES[(bin + 18) % HOURS];
            all += count;
        }
        let length_squared = along * along + across * across;
        if all <= 0.0 || length_squared < MIN_CONCENTRATION * MIN_CONCENTRATION * all * all {
            return None;
        }
        let turns = libm::atan2f(across, along) / TAU;
        let hour = libm::roundf(turns * HOURS as f32) as i32;
        Some(hour.rem_euclid(HOURS as i32) as usize)
    }

    /// Smoothed rates, under a prior of strength `prior_days` days of each kind.
    #[must_use]
    pub fn rates(
        &self,
        weight_now: f32,
        prior: Option<PeerRates<'_>>,
        prior_days: f32,
    ) -> HourRates {
        let pull = prior_days * weight_now;
        let counts = self.counts.as_f32();
        let mut rates = [0.0; BINS];
        let known: f32 = counts[..HOURS].iter().sum();
        let even = (known + weight_now) / (self.days[0] + weight_now) / HOURS as f32;
        for kind in 0..2 {
            let first = kind * HOURS;
            let norm = 1.0 / (self.days[kind] + pull).max(f32::MIN_POSITIVE);
            for hour in 0..HOURS {
                let prior = match (prior, kind) {
                    (Some(prior), _) => prior.of(first + hour),
                    (None, 0) => even,
                    (None, _) => rates[hour],
                };
                let at = |hour: usize| counts[first + hour % HOURS];
                rates[first + hour] = (smoothed(at, hour) + pull * prior) * norm;
            }
        }
        rates
    }

    /// The rate of one bin, as [`Self::rates`] computes it under a prior.
    #[must_use]
    pub fn rate(&self, bin: usize, weight_now: f32, prior: PeerRates<'_>, prior_days: f32) -> f32 {
        let pull = prior_days * weight_now;
        let kind = bin / HOURS;
        let day = &self.counts.0[kind * HOURS..][..HOURS];
        let at = |hour: usize| day[hour % HOURS].to_f32();
        let norm = 1.0 / (self.days[kind] + pull).max(f32::MIN_POSITIVE);
        (smoothed(at, bin % HOURS) + pull * prior.of(bin)) * norm
    }
}

fn smoothed(at: impl Fn(usize) -> f32, hour: usize) -> f32 {
    0.25 * at(hour + HOURS - 1) + 0.5 * at(hour) + 0.25 * at(hour + 1)
}

/// Expected active hours between two times, parts of hours included, where `rate` gives the rate of a bin and
/// `share` the share of the usual activity that a day saw. O(days) up to `MAX_DAYS`; a longer span continues
/// at the mean of those.
#[must_use]
pub fn expected_between(
    rate: impl Fn(usize) -> f32,
    share: impl Fn(i64) -> f64,
    from: EventTime,
    to: EventTime,
) -> f64 {
    let hours_of = |time: EventTime| time.epoch_ms() as f64 / MS_PER_HOUR as f64;
    let (from, to) = (hours_of(from), hours_of(to));
    if to <= from {
        return 0.0;
    }
    let within_hours = |day: i64, first: f64, end: f64| -> f64 {
        let midnight = day * HOURS as i64;
        (0..HOURS)
            .map(|hour| {
                let start = (midnight + hour as i64) as f64;
                let covered = (end.min(start + 1.0) - first.max(start)).max(0.0);
                if covered > 0.0 {
                    covered * f64::from(rate(HOURS * day_kind(day) + hour))
                } else {
                    0.0
                }
            })
            .sum()
    };
    let day_of = |hours: f64| libm::floor(hours / HOURS as f64) as i64;
    let (first_day, last_day) = (day_of(from), day_of(to));
    if last_day - first_day <= 1 {
        let days = first_day..=last_day;
        return days
            .map(|day| share(day) * within_hours(day, from, to))
            .sum();
    }
    let whole = |kind: usize| -> f64 {
        let bins = kind * HOURS..(kind + 1) * HOURS;
        bins.map(|bin| f64::from(rate(bin))).sum()
    };
    let by_kind = [whole(0), whole(1)];
    let counted = (last_day - first_day - 1).min(MAX_DAYS);
    let days: f64 = (last_day - counted..last_day)
        .map(|day| share(day) * by_kind[day_kind(day)])
        .sum();
    let scale = (last_day - first_day - 1) as f64 / counted as f64;
    share(first_day) * within_hours(first_day, from, to)
        + scale * days
        + share(last_day) * within_hours(last_day, from, to)
}

/// Share of a week's expected activity in hours less active than `bin`, and half of that in
/// equally active ones; in (0, 1].
#[must_use]
pub fn tail(rates: &HourRates, bin: usize) -> f64 {
    let own = rates[bin % BINS];
    let (mut below, mut equal, mut all) = (0.0f32, 0.0f32, 0.0f32);
    for (at, rate) in rates.iter().enumerate() {
        let mass = rate * DAYS_PER_WEEK[at / HOURS];
        all += mass;
        below += if *rate < 0.5 * own { mass } else { 0.0 };
        let same = (0.5 * own..=2.0 * own).contains(rate);
        equal += if same { mass } else { 0.0 };
    }
    f64::from((below + 0.5 * equal) / all.max(f32::MIN_POSITIVE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_single_rate_agrees_with_all_rates() {
        let (mut profile, mut prior) = (HourProfile::default(), [0.1; BINS]);
        (9..17).chain([30]).for_each(|bin| profile.add(bin, 3.0));
        profile.add_days([4, 2], 1.0);
        prior[12] = 0.9;
        for centre in [None, Some(0), Some(17)] {
            let prior = PeerRates::new(&prior, centre);
            let all = profile.rates(1.5, Some(prior), 2.0);
            for (bin, rate) in all.iter().enumerate() {
                assert!((profile.rate(bin, 1.5, prior, 2.0) - rate).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn a_working_day_has_a_centre_and_a_whole_day_has_none() {
        let centre_of = |hours: std::ops::Range<usize>| {
            let mut profile = HourProfile::default();
            hours.for_each(|hour| profile.add(hour % HOURS, 2.0));
            profile.centre()
        };
        assert_eq!(centre_of(9..18), Some(13));
        assert_eq!(centre_of(20..29), Some(0), "across midnight");
        assert_eq!(centre_of(22..27), Some(0));
        assert_eq!(centre_of(0..24), None);
        assert_eq!(centre_of(3..3), None);
    }

    #[test]
    fn the_hours_of_a_colleague_in_another_time_zone_are_moved_to_one_s_own() {
        let mut rates = [0.0; BINS];
        (8..17).for_each(|hour| rates[relative_bin(hour, 12)] = 0.9);
        let mine = PeerRates::new(&rates, Some(3));
        let active: Vec<usize> = (0..HOURS).filter(|hour| mine.of(*hour) > 0.5).collect();
        assert_eq!(active, [0, 1, 2, 3, 4, 5, 6, 7, 23]);
        let even = PeerRates::new(&rates, None);
        assert!((0..HOURS).all(|hour| (even.of(hour) - 0.9 * 9.0 / 24.0).abs() < 1e-6));
    }

    #[test]
    fn a_weekend_off_misses_nothing_and_a_working_day_misses_its_hours() {
        let mut rates = [0.0; BINS];
        rates[9..17].fill(1.0);
        let at = |day: i64, hour: i64| {
            // Monday 2024-01-01.
            EventTime::from_epoch_ms(1_704_067_200_000 + (24 * day + hour) * MS_PER_HOUR).unwrap()
        };
        let missed = |from, to| expected_between(|bin| rates[bin], |_| 1.0, from, to);
        assert!(
            missed(at(4, 17), at(7, 9)).abs() < 1e-9,
            "Friday evening to Monday morning"
        );
        assert!((missed(at(0, 17), at(2, 9)) - 8.0).abs() < 1e-9);
        assert!(
            (missed(at(0, 9), at(0, 12)) - 3.0).abs() < 1e-9,
            "every hour counts"
        );
        let hour_ms = MS_PER_HOUR / 4;
        let quarter_past = at(0, 10).saturating_add_ms(hour_ms);
        assert!((missed(at(0, 9), quarter_past) - 1.25).abs() < 1e-9);
        assert!(missed(at(0, 12), at(0, 9)).abs() < 1e-9);
        let year = missed(at(0, 0), at(364, 0));
        assert!((year / (52.0 * 40.0) - 1.0).abs() < 0.01, "{year}");
    }

    #[test]
    fn bins_follow_the_calendar() {
        let at = |ms| bin_of(EventTime::from_epoch_ms(ms).unwrap());
        assert_eq!(at(1_700_000_000_000), 22); // Tuesday 2023-11-14, 22:13 UTC
        assert_eq!(at(1_700_344_800_000), 24 + 22); // Saturday
    }

    #[test]
    fn days_are_counted_by_kind() {
        let monday = 20_514; // 2026-03-02
        assert_eq!(days_between(monday - 1, monday), [1, 0]);
        assert_eq!(days_between(monday - 1, monday + 6), [5, 2]);
        assert_eq!(days_between(monday, monday), [0, 0]);
        assert_eq!(days_between(0, monday), [20, 8]);
    }

    /// Ten working days, active at `hours`.
    fn worked(hours: std::ops::Range<usize>) -> HourProfile {
        let mut profile = HourProfile::default();
        for _ in 0..10 {
            hours.clone().for_each(|hour| profile.add(hour, 1.0));
        }
        profile.add_days([10, 0], 1.0);
        profile
    }

    #[test]
    fn an_unused_hour_is_improbable() {
        let rates = worked(9..17).rates(1.0, None, 0.5);
        assert!(tail(&rates, 3) < 0.05, "{}", tail(&rates, 3));
        assert!(tail(&rates, 12) > 0.4);
        assert!(tail(&rates, 8) >= tail(&rates, 3));
    }

    #[test]
    fn a_first_weekend_is_not_surprising_and_one_after_free_weekends_is() {
        let mut profile = worked(0..24);
        let first = tail(&profile.rates(1.0, None, 0.5), 24 + 10);
        assert!(first > 0.2, "{first}");
        profile.add_days([0, 8], 1.0);
        let later = tail(&profile.rates(1.0, None, 0.5), 24 + 10);
        assert!(later < 0.03, "{later}");
    }

    proptest! {
        #[test]
        fn tails_are_probabilities(hours in prop::collection::vec(0usize..48, 0..200), bin in 0usize..48) {
            let mut profile = HourProfile::default();
            hours.iter().for_each(|h| profile.add(*h, 1.0));
            profile.add_days([10, 4], 1.0);
            let p = tail(&profile.rates(1.0, None, 0.5), bin);
            prop_assert!(p > 0.0 && p <= 1.0 + 1e-6);
        }
    }
}
