//! The baseline of one identity as numbers, for charts.

use super::Engine;
use crate::baseline::label_dictionary::LabelDictionary;
use crate::baseline::profile::Profile;
use crate::baseline::store::Entry;
use crate::enrich::prefix_key;
use crate::stats::category::CategoryTable;
use crate::stats::hour_of_week::HourRates;
use crate::stats::student::Moments;
use std::net::IpAddr;

/// Strength of the even prior of the hours, in days.
const PRIOR_DAYS: f32 = 0.5;
/// Identities that are named.
const MAX_NAMED: usize = 5;

/// A value and its share of the observations, 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueShare {
    /// The value.
    pub name: String,
    /// Its share.
    pub share: f64,
}

/// A quantity by mean and standard deviation of its natural logarithm, under the assumption that it is
/// lognormal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogNormal {
    /// Decayed number of observations.
    pub observations: f64,
    /// Mean of the logarithm.
    pub mean_log: f64,
    /// Standard deviation of the logarithm.
    pub sd_log: f64,
}

/// Identities of a shard that have something in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentitySample {
    /// Number of them.
    pub identities: usize,
    /// Ids of a few, in ascending order.
    pub sample: Vec<String>,
}

/// What is usual for one identity, in numbers. Values are in descending order of their shares.
#[derive(Clone, Debug, PartialEq)]
pub struct Portrait {
    /// Hosts.
    pub hosts: Vec<ValueShare>,
    /// Address ranges.
    pub prefixes: Vec<ValueShare>,
    /// Networks.
    pub networks: Vec<ValueShare>,
    /// Countries.
    pub countries: Vec<ValueShare>,
    /// Client families.
    pub clients: Vec<ValueShare>,
    /// Actions.
    pub actions: Vec<ValueShare>,
    /// Resource families.
    pub resources: Vec<ValueShare>,
    /// Active hours per day, by hour: 24 of working days, then 24 of weekends, in UTC.
    pub hours: HourRates,
    /// Events in an active hour; `None` before the first is over.
    pub events_per_hour: Option<LogNormal>,
    /// Distinct actions and resources in an active hour.
    pub distinct_per_hour: Option<LogNormal>,
    /// Lifetimes of tokens in seconds, one entry for each issuer and kind.
    pub lifetimes_secs: Vec<LogNormal>,
    /// Time between refreshes, in seconds.
    pub refresh_secs: Option<LogNormal>,
    /// Share of uses that failed, 0 to 1; `None` before the first use.
    pub failure_share: Option<f64>,
}

impl Engine {
    /// What is usual for `identity`; `None` where it has no baseline. O(values).
    #[must_use]
    pub fn portrait(&self, identity: &str) -> Option<Portrait> {
        let store = &self.scoring.store;
        let slot = store.find(self.identity_key(identity), identity)?;
        let profile = &store.entry(slot).profile;
        let half_life = self.settings.parameters.decay.baseline_half_life;
        let weight = profile.landmark.weight_at(profile.last_seen, half_life);
        Some(portrait(profile, weight, &store.labels))
    }

    /// Identities whose baseline contains the network prefix of `ip`. O(identities).
    #[must_use]
    pub fn users_of_network(&self, ip: IpAddr) -> IdentitySample {
        let key = prefix_key(ip, &self.settings.hash_key);
        let entries = self.scoring.store.entries();
        IdentitySample::of(entries.filter(|entry| entry.profile.prefix.slot(key).is_some()))
    }

    /// Identities with the same learned group as `identity`; `None` before one is learned. O(identities).
    #[must_use]
    pub fn learned_peers(&self, identity: &str) -> Option<IdentitySample> {
        let store = &self.scoring.store;
        let slot = store.find(self.identity_key(identity), identity)?;
        let group = store.entry(slot).profile.learned_group;
        if group == 0 {
            return None;
        }
        let others = store
            .entries()
            .filter(|other| other.profile.learned_group == group && other.id() != identity);
        Some(IdentitySample::of(others))
    }
}

impl IdentitySample {
    fn of<'e>(entries: impl Iterator<Item = &'e Entry>) -> Self {
        let mut ids: Vec<&str> = entries.map(Entry::id).collect();
        let identities = ids.len();
        ids.sort_unstable();
        ids.truncate(MAX_NAMED);
        Self {
            identities,
            sample: ids.into_iter().map(str::to_owned).collect(),
        }
    }

    /// Adds those of another shard.
    pub fn merge(&mut self, other: Self) {
        self.identities += other.identities;
        self.sample.extend(other.sample);
        self.sample.sort_unstable();
        self.sample.truncate(MAX_NAMED);
    }
}

fn portrait(profile: &Profile, weight: f32, labels: &LabelDictionary) -> Portrait {
    let failures = &profile.failures;
    let lifetimes = profile.lifetimes.iter().filter(|known| known.issuer != 0);
    Portrait {
        hosts: shares(&profile.host, labels),
        prefixes: shares(&profile.prefix, labels),
        networks: shares(&profile.network, labels),
        countries: shares(&profile.country, labels),
        clients: shares(&profile.client, labels),
        actions: shares(&profile.action, labels),
        resources: shares(&profile.resource, labels),
        hours: profile.hours.rates(weight, None, PRIOR_DAYS),
        events_per_hour: log_normal(&profile.hourly.log_count, weight),
        distinct_per_hour: log_normal(&profile.hourly.log_distinct, weight),
        lifetimes_secs: lifetimes
            .filter_map(|known| log_normal(&known.log_secs, weight))
            .collect(),
        refresh_secs: log_normal(&profile.log_refresh, weight),
        failure_share: (failures.tried > 0.0)
            .then(|| f64::from(failures.failed) / f64::from(failures.tried)),
    }
}

fn shares<const N: usize>(table: &CategoryTable<N>, labels: &LabelDictionary) -> Vec<ValueShare> {
    let strongest = table.strongest().into_iter();
    let named = strongest.map(|(key, share)| ValueShare {
        name: labels.label(key),
        share,
    });
    named.collect()
}

fn log_normal(moments: &Moments, weight: f32) -> Option<LogNormal> {
    let observations = moments.count(weight);
    (observations > 0.0).then(|| LogNormal {
        observations,
        mean_log: moments.mean(),
        sd_log: moments.standard_deviation(),
    })
}
