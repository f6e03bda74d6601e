//! The baseline of many: of a peer group, or of everyone in the partition.
//!
//! It counts adoptions: a value is added when one identity shows it for the first time, so one
//! busy identity does not speak for all.

use crate::baseline::profile::{LEVELS, Profile};
use crate::parameters::Parameters;
use crate::stats::beta_binomial::posterior_mean;
use crate::stats::category::CategoryMap;
use crate::stats::hour_of_week::{BINS, HourProfile, HourRates};
use crate::stats::student::Moments;
use borsh::{BorshDeserialize, BorshSerialize};

/// What is known of a group.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct GroupBaseline {
    /// Hosts.
    pub host: CategoryMap,
    /// Network prefixes.
    pub prefix: CategoryMap,
    /// Networks.
    pub network: CategoryMap,
    /// Countries.
    pub country: CategoryMap,
    /// Client families.
    pub client: CategoryMap,
    /// Actions.
    pub action: CategoryMap,
    /// Resource families.
    pub resource: CategoryMap,
    /// Adopted actions by access level.
    pub levels: [f64; LEVELS],
    /// Adopted actions that are known from attacks: with common legitimate use, and hardly with any.
    pub abused: [f64; 2],
    /// Failed uses.
    pub failed: f64,
    /// All uses.
    pub tried: f64,
    /// Natural logarithms of silences in hours.
    pub log_silence: Moments,
    /// Natural logarithms of events in an active hour.
    pub log_count: Moments,
    /// Natural logarithms of distinct (action, resource) in an active hour.
    pub log_distinct: Moments,
    /// Days of members with a place.
    pub journey_days: f64,
    /// Impossible journeys among them.
    pub journey_jumps: f64,
    /// Far ones among these.
    pub journey_far_jumps: f64,
    /// Uses without a stated purpose.
    pub purposeless: f64,
    /// Uses without a stated host.
    pub hostless: f64,
    hours: HourProfile,
    rates: HourRates,
}

/// Days that the prior of a group's rhythm is worth.
const PRIOR_STRENGTH_DAYS: f32 = 3.0;

impl GroupBaseline {
    /// A group of which nothing is known, keeping `values` values of each feature.
    #[must_use]
    pub fn new(values: usize) -> Self {
        Self {
            host: CategoryMap::new(values),
            prefix: CategoryMap::new(values),
            network: CategoryMap::new(values),
            country: CategoryMap::new(values),
            client: CategoryMap::new(values),
            action: CategoryMap::new(values),
            resource: CategoryMap::new(values),
            levels: [0.0; LEVELS],
            abused: [0.0; 2],
            failed: 0.0,
            tried: 0.0,
            log_silence: Moments::default(),
            log_count: Moments::default(),
            log_distinct: Moments::default(),
            journey_days: 0.0,
            journey_jumps: 0.0,
            journey_far_jumps: 0.0,
            purposeless: 0.0,
            hostless: 0.0,
            hours: HourProfile::default(),
            rates: [1.0 / BINS as f32; BINS],
        }
    }

    /// Counts one active hour of one identity, and the days that went by for it.
    pub fn add_hour(&mut self, bin: usize, days: [u8; 2], weight: f32, weight_now: f32) {
        self.hours.add(bin, weight);
        self.hours.add_days(days, weight);
        self.rates = self.hours.rates(weight_now, None, PRIOR_STRENGTH_DAYS);
    }

    /// When its members are active.
    #[must_use]
    pub fn rates(&self) -> &HourRates {
        &self.rates
    }

    /// Takes note of what a new member does as a rule, each value once with `weight`.
    pub fn seed_from(&mut self, member: &Profile, weight: f32) {
        let tables = [
            member.host.strongest(),
            member.prefix.strongest(),
            member.network.strongest(),
            member.country.strongest(),
            member.client.strongest(),
            member.action.strongest(),
            member.resource.strongest(),
        ];
        for (map, habits) in self.maps_mut().into_iter().zip(tables) {
            for (key, _) in habits {
                map.add(key, weight);
            }
        }
    }

    /// Multiplies all weights by `factor`.
    pub fn rescale(&mut self, factor: f32) {
        for map in self.maps_mut() {
            map.rescale(factor);
        }
        let factor_f64 = f64::from(factor);
        let counts = self.levels.iter_mut().chain(&mut self.abused);
        counts.for_each(|count| *count *= factor_f64);
        self.failed *= factor_f64;
        self.tried *= factor_f64;
        self.log_silence.rescale(factor);
        self.log_count.rescale(factor);
        self.log_distinct.rescale(factor);
        self.journey_days *= factor_f64;
        self.journey_jumps *= factor_f64;
        self.journey_far_jumps *= factor_f64;
        self.purposeless *= factor_f64;
        self.hostless *= factor_f64;
        self.hours.rescale(factor);
    }

    pub(super) fn maps_mut(&mut self) -> [&mut CategoryMap; 7] {
        [
            &mut self.host,
            &mut self.prefix,
            &mut self.network,
            &mut self.country,
            &mut self.client,
            &mut self.action,
            &mut self.resource,
        ]
    }

    /// Failure rate of the members without `less` failures and trials, with the prior's say.
    #[must_use]
    pub fn failure_rate(
        &self,
        weight_now: f32,
        less: (f64, f64),
        prior_rate: f64,
        prior_trials: f64,
    ) -> f64 {
        let weight_now = f64::from(weight_now);
        let tried = (self.tried / weight_now - less.1).max(0.0);
        let failed = (self.failed / weight_now - less.0).clamp(0.0, tried);
        posterior_mean(failed, tried, prior_rate, prior_trials)
    }

    /// Bytes held.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let maps = [
            &self.host,
            &self.prefix,
            &self.network,
            &self.country,
            &self.client,
            &self.action,
            &self.resource,
        ];
        let known: usize = maps
            .iter()
            .map(|m| m.memory_bytes() - size_of::<CategoryMap>())
            .sum();
        size_of::<Self>() + known
    }
}

/// Share of calls with at least the level of index `rank`, by the prior of the model.
#[must_use]
pub fn prior_share_from(rank: usize, parameters: &Parameters) -> f64 {
    let shares = parameters.prior.level_shares();
    let total: f64 = shares.iter().sum();
    shares[rank.min(LEVELS - 1)..].iter().sum::<f64>() / total
}
