//! The baseline of one identity: one fixed-size record, no pointers, so that an event touches a
//! few neighbouring cache lines and memory is known in advance.

use crate::baseline::dirty::DirtyState;
use crate::baseline::issuer::RelocationCounts;
use crate::baseline::usage_history::{MAX_ACTIONS, UsageHistory};
use crate::catalogue::AccessLevel;
use crate::stats::category::CategoryTable;
use crate::stats::decay::{HalfLife, Landmark};
use crate::stats::decayed::{Decayed, decayed_struct};
use crate::stats::hour_of_week::HourProfile;
use crate::stats::student::Moments;
use crate::units::{EventTime, MS_PER_SEC};
use borsh::{BorshDeserialize, BorshSerialize};

/// How many access levels there are.
pub const LEVELS: usize = AccessLevel::ALL.len();

decayed_struct! {
    /// Lifetimes of the tokens of one issuer and kind.
    #[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
    pub struct IssuerLifetimes {
        /// Issuer and kind; 0 for an empty slot.
        fixed pub issuer: u32,
        /// Natural logarithms of seconds.
        decayed pub log_secs: Moments,
    }
}

decayed_struct! {
    /// Failures lately and in the long run.
    #[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
    pub struct FailureCounts {
        /// Failed uses, forward-decayed with the baseline.
        decayed pub failed: f32,
        /// All uses, forward-decayed with the baseline.
        decayed pub tried: f32,
        /// Failed uses in the recent window, as of `recent_secs`.
        fixed pub recent_failed: f32,
        /// All uses in the recent window, as of `recent_secs`.
        fixed pub recent_tried: f32,
        /// When the recent window was brought up to date, in seconds since the epoch.
        fixed pub recent_secs: u32,
    }
}

impl FailureCounts {
    /// Failed and all uses of the recent window at `now`.
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
    /// Counts of the current hour, and how large they were in past active hours.
    #[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
    pub struct HourlyVolume {
        /// Hours since the epoch.
        fixed pub hour: u32,
        /// Events in it.
        fixed pub count: u32,
        /// One bit for each class of deeds seen in it.
        fixed pub seen: [u64; 2],
        /// Natural logarithms of past counts.
        decayed pub log_count: Moments,
        /// Natural logarithms of past numbers of distinct (action, resource).
        decayed pub log_distinct: Moments,
    }
}

impl HourlyVolume {
    /// Whether `deed` was seen in the hour.
    #[must_use]
    pub fn has_seen(&self, class: u8) -> bool {
        self.seen[usize::from(class / 64)] & 1 << (class % 64) != 0
    }

    /// Notes that `deed` was seen in the hour.
    pub fn mark_seen(&mut self, class: u8) {
        self.seen[usize::from(class / 64)] |= 1 << (class % 64);
    }

    /// Classes of deeds seen in the hour.
    #[must_use]
    pub fn distinct_classes(&self) -> u32 {
        self.seen[0].count_ones() + self.seen[1].count_ones()
    }
}

decayed_struct! {
    /// Where it was last, and how often it jumped.
    #[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
    pub struct Journey {
        /// Degrees north.
        fixed pub latitude: f32,
        /// Degrees east.
        fixed pub longitude: f32,
        /// When, in seconds since the epoch; 0 where no place is known.
        fixed pub secs: u32,
        /// Days with a place, forward-decayed.
        decayed pub days: f32,
        /// Impossible journeys among them.
        decayed pub jumps: f32,
        /// Far ones among these.
        decayed pub far_jumps: f32,
    }
}

/// Signals whose daily peaks are kept.
pub const PEAKS: usize = 16;
/// Steps of a kept peak in a nat.
const PEAK_STEPS: f64 = 8.0;

decayed_struct! {
    /// What is known of one identity. What every event needs stands first, what few need last.
    #[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
    #[repr(C)]
    pub struct Profile {
        /// Where the weights of this record count from.
        fixed pub landmark: Landmark,
        /// First event.
        fixed pub first_seen: EventTime,
        /// Latest event; never moves back.
        fixed pub last_seen: EventTime,
        /// Key of the credential used last.
        fixed pub last_credential: u64,
        /// Volume by the hour.
        decayed pub hourly: HourlyVolume,
        /// Events seen, undecayed.
        fixed pub events: u32,
        /// Hours since the epoch of the last hour learned as active.
        fixed pub active_hour: u32,
        /// Peer group that was learned; 0 while none is.
        fixed pub learned_group: u32,
        /// Day of `day_peak_nats`, in days since the epoch.
        fixed pub day: u16,
        /// Whether the store of incidents holds one for it.
        fixed pub has_incident: bool,
        /// How it stands to what is kept of it.
        #[borsh(skip)]
        fixed pub dirty: DirtyState,
        /// Largest score of that day.
        fixed pub day_peak_nats: f32,
        /// Largest surprise of each signal that day, in eighths of a nat.
        fixed pub peaks: [u8; PEAKS],
        /// Failures.
        decayed pub failures: FailureCounts,
        /// Uses by access level.
        decayed pub levels: [f32; LEVELS],
        /// Uses without a stated purpose, forward-decayed.
        decayed pub purposeless: f32,
        /// Uses without a stated host, forward-decayed.
        decayed pub hostless: f32,
        /// Places.
        decayed pub journey: Journey,
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
        /// How its credentials move.
        decayed pub relocations: RelocationCounts,
        /// Natural logarithms of silences, in hours, longer than one hour.
        decayed pub log_silence: Moments,
        /// Natural logarithms of seconds between refreshes or rotations.
        decayed pub log_refresh: Moments,
        /// When the last one was, in seconds since the epoch.
        fixed pub refreshed_secs: u32,
        /// Token lifetimes.
        decayed pub lifetimes: [IssuerLifetimes; 3],
        /// Active hours.
        decayed pub hours: HourProfile,
        /// Last uses of actions, and scopes. Last: states of before it was kept end here.
        fixed pub usage: UsageHistory,
    }
}

impl Profile {
    /// An empty baseline of an identity first seen at `time`.
    #[must_use]
    pub fn new(time: EventTime) -> Self {
        Self {
            landmark: Landmark::new(time),
            first_seen: time,
            last_seen: time,
            ..Self::default()
        }
    }

    /// A sum over values in the cache lines that every event needs; the sum means nothing.
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

    /// The moment at which `time` finds this identity: late events never move it back.
    #[must_use]
    pub fn effective_time(&self, time: EventTime) -> EventTime {
        time.max(self.last_seen)
    }

    /// Brings the record to `now` and says what an observation made now weighs in it.
    pub fn advance_decay(&mut self, now: EventTime, half_life: HalfLife) -> f32 {
        let weighing = self.landmark.advance(now, half_life);
        if let Some(factor) = weighing.rescale {
            self.rescale(factor);
        }
        weighing.weight_now
    }

    /// Keeps the largest surprise of a signal today.
    pub fn record_peak(&mut self, signal: usize, nats: f64) {
        let steps = (nats * PEAK_STEPS).clamp(0.0, 255.0) as u8;
        self.peaks[signal] = self.peaks[signal].max(steps);
    }

    /// The largest surprise of a signal today, in nats.
    #[must_use]
    pub fn peak_nats(&self, signal: usize) -> f64 {
        f64::from(self.peaks[signal]) / PEAK_STEPS
    }

    /// Decayed number of events, the measure of how useful this record is.
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
    fn one_record_fits_the_budget() {
        // 1 KiB an identity, less what index, names, credentials and id take.
        assert!(size_of::<Profile>() <= 880, "{}", size_of::<Profile>());
    }

    #[test]
    fn late_events_do_not_move_time_back() {
        let now = EventTime::EARLIEST.saturating_add_ms(1_000);
        assert_eq!(Profile::new(now).effective_time(EventTime::EARLIEST), now);
    }
}
