//! The baseline of many identities: of a peer group, or of the population of a partition.
//!
//! It counts adoptions: a value is added once per identity that uses it, so that one busy identity does not
//! dominate the group.

use crate::baseline::profile::{LEVELS, Profile};
use crate::parameters::Parameters;
use crate::stats::beta_binomial::posterior_mean;
use crate::stats::category::CategoryMap;
use crate::stats::decayed::decayed_struct;
use crate::stats::hour_of_week::{BINS, HourProfile, HourRates};
use crate::stats::student::Moments;
use borsh::{BorshDeserialize, BorshSerialize};

decayed_struct! {
    /// The baseline of a group.
    #[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
    pub struct GroupBaseline {
        /// Hosts.
        values pub host: CategoryMap,
        /// Network prefixes.
        values pub prefix: CategoryMap,
        /// Networks.
        values pub network: CategoryMap,
        /// Countries.
        values pub country: CategoryMap,
        /// Client families.
        values pub client: CategoryMap,
        /// Actions.
        values pub action: CategoryMap,
        /// Resource families.
        values pub resource: CategoryMap,
        /// Issuers and kinds of credentials.
        values pub issuer: CategoryMap,
        /// Adopted actions by access level.
        decayed pub levels: [f64; LEVELS],
        /// Adopted actions that are known from attacks: with common legitimate use, and hardly with any.
        decayed pub abused: [f64; 2],
        /// Failed uses.
        decayed pub failed: f64,
        /// All uses.
        decayed pub tried: f64,
        /// Natural logarithms of silences in hours.
        decayed pub log_silence: Moments,
        /// Natural logarithms of events in an active hour.
        decayed pub log_count: Moments,
        /// Natural logarithms of distinct (action, resource) in an active hour.
        decayed pub log_distinct: Moments,
        /// Days of members with a known location.
        decayed pub journey_days: f64,
        /// Impossible journeys among them.
        decayed pub journey_jumps: f64,
        /// Long ones among these.
        decayed pub journey_far_jumps: f64,
        /// Uses without a stated purpose.
        decayed pub purposeless: f64,
        /// Uses without a stated host.
        decayed pub hostless: f64,
        decayed hours: HourProfile,
        fixed rates: HourRates,
    }
}

/// Prior strength of a group's activity rhythm, in days.
const PRIOR_STRENGTH_DAYS: f32 = 3.0;

impl GroupBaseline {
    /// An empty baseline that keeps `values` values of each feature.
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
            issuer: CategoryMap::new(values),
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

    /// Adds one active hour of one identity, counted from the centre of its activity, and the days that
    /// passed for it.
    pub fn add_hour(&mut self, bin: usize, days: [u8; 2], weight: f32, weight_now: f32) {
        self.hours.add(bin, weight);
        self.hours.add_days(days, weight);
        self.rates = self.hours.rates(weight_now, None, PRIOR_STRENGTH_DAYS);
    }

    /// The hours of the week in which members are active, counted from the centre of their activity.
    #[must_use]
    pub fn rates(&self) -> &HourRates {
        &self.rates
    }

    /// Adopts the habits of a new member: each value once, with `weight`.
    pub fn seed_from(&mut self, member: &Profile, weight: f32) {
        self.adopt_values(&member.value_shares(), weight);
    }

    /// Failure rate of the members without `less` failures and trials, shrunk towards the prior.
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

    /// Size in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.value_heap_bytes()
    }
}

/// Share of calls at or above the access level of index `rank`, under the model's prior.
#[must_use]
pub fn prior_share_from(rank: usize, parameters: &Parameters) -> f64 {
    let shares = parameters.prior.level_shares();
    let total: f64 = shares.iter().sum();
    shares[rank.min(LEVELS - 1)..].iter().sum::<f64>() / total
}
