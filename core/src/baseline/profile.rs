//! The baseline of one identity: one fixed-size record without pointers, so that an event touches a few
//! neighbouring cache lines and memory use is known in advance.

use crate::baseline::dirty::DirtyState;
use crate::baseline::host_names::HostNames;
use crate::baseline::issuer::RelocationCounts;
use crate::baseline::peak_days::PeakDays;
use crate::baseline::usage_history::{MAX_ACTIONS, UsageHistory};
use crate::catalogue::AccessLevel;
use crate::stats::attempts::Attempts;
use crate::stats::category::CategoryTable;
use crate::stats::decay::{HalfLife, Landmark};
use crate::stats::decayed::{Decayed, decayed_struct};
use crate::stats::hour_of_week::HourProfile;
use crate::stats::student::Moments;
use crate::units::{EventTime, MS_PER_SEC};
use borsh::{BorshDeserialize, BorshSerialize};

/// Number of access levels.
pub const LEVELS: usize = AccessLevel::ALL.len();

decayed_struct! {
    /// Lifetimes of the tokens of one issuer and kind.
    #[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
    pub struct IssuerLifetimes {
        /// Key of issuer and kind; 0 for an empty slot.
        fixed pub issuer: u32,
        /// Natural logarithms of seconds.
        decayed pub log_secs: Moments,
    }
}

decayed_struct! {
    /// Uses that were denied, recent and long-term, and sign-in attempts.
    #[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
    pub struct FailureCounts {
        /// Denied uses, forward-decayed with the baseline.
        decayed pub failed: f32,
        /// All uses, forward-decayed with the baseline.
        decayed pub tried: f32,
        /// Denied uses in the recent window, as of `recent_secs`.
        fixed pub recent_failed: f32,
        /// All uses in the recent window, as of `recent_secs`.
        fixed pub recent_tried: f32,
        /// Time up to which the recent window has decayed, in seconds since the epoch.
        fixed pub recent_secs: u32,
        /// Sign-in attempts, which anyone can cause.
        fixed pub attempts: Attempts,
    }
}

impl FailureCounts {
    /// Failed and all uses of the recent window, decayed to `now`.
    #[must_use]
    pub fn recent_at(&self, now: EventTime, window: HalfLife) -> (f32, f32) {
        let then_ms = i64::from(self.recent_secs) * MS_PER_SEC;
        if self.recent_tried <= 0.0 {
            return (0.0, 0.0);
        }
        let remaining = window.remaining(now.epoch_ms() - then_ms) as f32;
        (
            self.recent_failed * remaining,
            self.recent_tried * remaining,
        )
    }
}

decayed_struct! {
    /// Counts of the current hour, and the distribution of past active hours.
    #[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
    pub struct HourlyVolume {
        /// Hours since the epoch.
        fixed pub hour: u32,
        /// Events in the hour.
        fixed pub count: u32,
        /// Whether strangers failed to sign in within the hour, which is then not learned.
        fixed pub has_strangers: bool,
        /// One bit for each class of (action, resource) in the hour.
        fixed pub seen: [u64; 2],
        /// Natural logarithms of past counts.
        decayed pub log_count: Moments,
        /// Natural logarithms of past numbers of distinct (action, resource).
        decayed pub log_distinct: Moments,
    }
}

impl HourlyVolume {
    /// Whether the class of `activity` occurred in the hour.
    #[must_use]
    pub fn has_seen(&self, class: u8) -> bool {
        self.seen[usize::from(class / 64)] & 1 << (class % 64) != 0
    }

    /// Records the class of `activity`.
    pub fn mark_seen(&mut self, class: u8) {
        self.seen[usize::from(class / 64)] |= 1 << (class % 64);
    }

    /// Number of distinct classes in the hour.
    #[must_use]
    pub fn distinct_classes(&self) -> u32 {
        self.seen[0].count_ones() + self.seen[1].count_ones()
    }
}

decayed_struct! {
    /// The last known location, and counts of impossible journeys.
    #[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
    pub struct Journey {
        /// Degrees north.
        fixed pub latitude: f32,
        /// Degrees east.
        fixed pub longitude: f32,
        /// Time of the location, in seconds since the epoch; 0 where none is known.
        fixed pub secs: u32,
        /// Days with a known location, forward-decayed.
        decayed pub days: f32,
        /// Impossible journeys among them.
        decayed pub jumps: f32,
        /// Long ones among these.
        decayed pub far_jumps: f32,
    }
}

/// Number of signals whose daily peaks are stored.
pub const PEAKS: usize = 17;
/// Resolution of a stored peak: steps per nat.
const PEAK_STEPS: f64 = 8.0;

decayed_struct! {
    /// The baseline of one identity. Fields that every event reads come first.
    #[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
    #[repr(C)]
    pub struct Profile {
        /// Reference time of the weights of this record.
        fixed pub landmark: Landmark,
        /// First event.
        fixed pub first_seen: EventTime,
        /// Latest event; never moves back.
        fixed pub last_seen: EventTime,
        /// Key of the credential used last.
        fixed pub last_credential: u64,
        /// Hourly volume.
        decayed pub hourly: HourlyVolume,
        /// Events observed, undecayed.
        fixed pub events: u32,
        /// Hours since the epoch of the last active hour that was learned.
        fixed pub active_hour: u32,
        /// Learned peer group; 0 while there is none.
        fixed pub learned_group: u32,
        /// Day of `day_peak_nats`, in days since the epoch.
        fixed pub day: u16,
        /// Whether the incident store holds an incident of this identity.
        fixed pub has_incident: bool,
        /// Dirty state.
        #[borsh(skip)]
        fixed pub dirty: DirtyState,
        /// Largest score of the day.
        fixed pub day_peak_nats: f32,
        /// Largest surprise of each signal on the day, in eighths of a nat.
        fixed pub peaks: [u8; PEAKS],
        /// Recent days with a peak, by family of signals.
        fixed pub peak_days: PeakDays,
        /// Failures.
        decayed pub failures: FailureCounts,
        /// Uses by access level.
        decayed pub levels: [f32; LEVELS],
        /// Uses without a stated purpose, forward-decayed.
        decayed pub purposeless: f32,
        /// Uses without a stated host, forward-decayed.
        decayed pub hostless: f32,
        /// Location.
        decayed pub journey: Journey,
        /// Whether the names of its hosts turn over.
        decayed pub host_names: HostNames,
        /// Hosts.
        values pub host: CategoryTable<8>,
        /// Network prefixes.
        values pub prefix: CategoryTable<6>,
        /// Networks.
        values pub network: CategoryTable<6>,
        /// Countries.
        values pub country: CategoryTable<3>,
        /// Client families.
        values pub client: CategoryTable<5>,
        /// Actions.
        values pub action: CategoryTable<MAX_ACTIONS>,
        /// Resource families.
        values pub resource: CategoryTable<6>,
        /// Issuers and kinds of its credentials.
        values pub issuer: CategoryTable<4>,
        /// Relocations of its credentials.
        decayed pub relocations: RelocationCounts,
        /// Natural logarithms of gaps longer than one hour, in hours.
        decayed pub log_silence: Moments,
        /// Natural logarithms of seconds between refreshes or rotations.
        decayed pub log_refresh: Moments,
        /// Time of the latest of these, in seconds since the epoch.
        fixed pub refreshed_secs: u32,
        /// Token lifetimes.
        decayed pub lifetimes: [IssuerLifetimes; 3],
        /// Active hours.
        decayed pub hours: HourProfile,
        /// Last uses of actions, and scopes.
        fixed pub usage: UsageHistory,
    }
}

impl Profile {
    /// An empty baseline of an identity first observed at `time`.
    #[must_use]
    pub fn new(time: EventTime) -> Self {
        Self {
            landmark: Landmark::new(time),
            first_seen: time,
            last_seen: time,
            ..Self::default()
        }
    }

    /// Prefetches the cache lines that every event needs, by summing values in them; the sum has no meaning.
    #[inline]
    #[must_use]
    pub fn prefetch(&self) -> f32 {
        self.day_peak_nats
            + self.hourly.log_distinct.mean() as f32
            + self.levels[0]
            + self.host.prefetch()
            + self.prefix.prefetch()
            + self.network.prefetch()
            + self.country.prefetch()
            + self.client.prefetch()
            + self.action.prefetch()
            + self.resource.prefetch()
    }

    /// The time at which an event stamped `time` is processed: never before the latest event.
    #[must_use]
    pub fn effective_time(&self, time: EventTime) -> EventTime {
        time.max(self.last_seen)
    }

    /// Decays the record to `now` and returns the weight of an observation made now.
    pub fn advance_decay(&mut self, now: EventTime, half_life: HalfLife) -> f32 {
        let weighing = self.landmark.advance(now, half_life);
        if let Some(factor) = weighing.rescale {
            self.rescale(factor);
        }
        weighing.weight_now
    }

    /// Raises the day's largest surprise of a signal to `nats`.
    pub fn record_peak(&mut self, signal: usize, nats: f64) {
        let steps = (nats * PEAK_STEPS).clamp(0.0, 255.0) as u8;
        self.peaks[signal] = self.peaks[signal].max(steps);
    }

    /// The day's largest surprise of a signal, in nats.
    #[must_use]
    pub fn peak_nats(&self, signal: usize) -> f64 {
        f64::from(self.peaks[signal]) / PEAK_STEPS
    }

    /// Decayed number of events: the measure of a record's usefulness.
    #[must_use]
    pub fn decayed_events(&self, now: EventTime, half_life: HalfLife) -> f64 {
        let weight_now = self.landmark.weight_at(self.effective_time(now), half_life);
        f64::from(self.failures.tried / weight_now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_record_fits_the_memory_budget() {
        // 1 KiB per identity, less the share of index, labels, credentials and id.
        assert!(size_of::<Profile>() <= 968, "{}", size_of::<Profile>());
    }

    #[test]
    fn late_events_do_not_move_time_back() {
        let now = EventTime::EARLIEST.saturating_add_ms(1_000);
        assert_eq!(Profile::new(now).effective_time(EventTime::EARLIEST), now);
    }
}
