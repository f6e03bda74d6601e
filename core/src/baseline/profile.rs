//! The baseline of one identity: one fixed-size record, no pointers, so that an event touches a
//! few neighbouring cache lines and memory is known in advance.

use crate::baseline::dirty::DirtyState;
use crate::baseline::issuer::RelocationCounts;
use crate::baseline::usage_history::{MAX_ACTIONS, UsageHistory};
use crate::catalogue::AccessLevel;
use crate::stats::category::CategoryTable;
use crate::stats::decay::{HalfLife, Landmark};
use crate::stats::hour_of_week::HourProfile;
use crate::stats::student::Moments;
use crate::units::{EventTime, MS_PER_SEC};
use borsh::{BorshDeserialize, BorshSerialize};

/// How many access levels there are.
pub const LEVELS: usize = AccessLevel::ALL.len();

/// Lifetimes of the tokens of one issuer and kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct IssuerLifetimes {
    /// Issuer and kind; 0 for an empty slot.
    pub issuer: u32,
    /// Natural logarithms of seconds.
    pub log_secs: Moments,
}

/// Failures lately and in the long run.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct FailureCounts {
    /// Failed uses, forward-decayed with the baseline.
    pub failed: f32,
    /// All uses, forward-decayed with the baseline.
    pub tried: f32,
    /// Failed uses in the recent window, as of `recent_secs`.
    pub recent_failed: f32,
    /// All uses in the recent window, as of `recent_secs`.
    pub recent_tried: f32,
    /// When the recent window was brought up to date, in seconds since the epoch.
    pub recent_secs: u32,
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

/// Counts of the current hour, and how large they were in past active hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct HourlyVolume {
    /// Hours since the epoch.
    pub hour: u32,
    /// Events in it.
    pub count: u32,
    /// One bit for each class of deeds seen in it.
    pub seen: [u64; 2],
    /// Natural logarithms of past counts.
    pub log_count: Moments,
    /// Natural logarithms of past numbers of distinct (action, resource).
    pub log_distinct: Moments,
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

/// Where it was last, and how often it jumped.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Journey {
    /// Degrees north.
    pub latitude: f32,
    /// Degrees east.
    pub longitude: f32,
    /// When, in seconds since the epoch; 0 where no place is known.
    pub secs: u32,
    /// Days with a place, forward-decayed.
    pub days: f32,
    /// Impossible journeys among them.
    pub jumps: f32,
    /// Far ones among these.
    pub far_jumps: f32,
}

/// Signals whose daily peaks are kept.
pub const PEAKS: usize = 16;
/// Steps of a kept peak in a nat.
const PEAK_STEPS: f64 = 8.0;

/// What is known of one identity. What every event needs stands first, what few need last.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
#[repr(C)]
pub struct Profile {
    /// Where the weights of this record count from.
    pub landmark: Landmark,
    /// First event.
    pub first_seen: EventTime,
    /// Latest event; never moves back.
    pub last_seen: EventTime,
    /// Key of the credential used last.
    pub last_credential: u64,
    /// Volume by the hour.
    pub hourly: HourlyVolume,
    /// Events seen, undecayed.
    pub events: u32,
    /// Hours since the epoch of the last hour learned as active.
    pub active_hour: u32,
    /// Peer group that was learned; 0 while none is.
    pub learned_group: u32,
    /// Day of `day_peak_nats`, in days since the epoch.
    pub day: u16,
    /// Whether the store of incidents holds one for it.
    pub has_incident: bool,
    /// How it stands to what is kept of it.
    #[borsh(skip)]
    pub dirty: DirtyState,
    /// Largest score of that day.
    pub day_peak_nats: f32,
    /// Largest surprise of each signal that day, in eighths of a nat.
    pub peaks: [u8; PEAKS],
    /// Failures.
    pub failures: FailureCounts,
    /// Uses by access level.
    pub levels: [f32; LEVELS],
    /// Uses without a stated purpose, forward-decayed.
    pub purposeless: f32,
    /// Uses without a stated host, forward-decayed.
    pub hostless: f32,
    /// Places.
    pub journey: Journey,
    /// Hosts.
    pub host: CategoryTable<8>,
    /// Network prefixes.
    pub prefix: CategoryTable<6>,
    /// Networks.
    pub network: CategoryTable<6>,
    /// Countries.
    pub country: CategoryTable<3>,
    /// Client families.
    pub client: CategoryTable<5>,
    /// Actions.
    pub action: CategoryTable<MAX_ACTIONS>,
    /// Resource families.
    pub resource: CategoryTable<6>,
    /// How its credentials move.
    pub relocations: RelocationCounts,
    /// Natural logarithms of silences, in hours, longer than one hour.
    pub log_silence: Moments,
    /// Natural logarithms of seconds between refreshes or rotations.
    pub log_refresh: Moments,
    /// When the last one was, in seconds since the epoch.
    pub refreshed_secs: u32,
    /// Token lifetimes.
    pub lifetimes: [IssuerLifetimes; 3],
    /// Active hours.
    pub hours: HourProfile,
    /// Last uses of actions, and scopes. Last: states of before it was kept end here.
    pub usage: UsageHistory,
}

impl Profile {
    /// An identity of which nothing is known, first seen at `time`.
    #[must_use]
    pub fn new(time: EventTime) -> Self {
        Self {
            landmark: Landmark::new(time),
            first_seen: time,
            last_seen: time,
            events: 0,
            learned_group: 0,
            day: 0,
            has_incident: false,
            dirty: DirtyState::Clean,
            day_peak_nats: 0.0,
            peaks: [0; PEAKS],
            last_credential: 0,
            relocations: RelocationCounts::default(),
            log_refresh: Moments::default(),
            refreshed_secs: 0,
            hourly: HourlyVolume::default(),
            journey: Journey::default(),
            purposeless: 0.0,
            hostless: 0.0,
            active_hour: 0,
            host: CategoryTable::default(),
            prefix: CategoryTable::default(),
            network: CategoryTable::default(),
            country: CategoryTable::default(),
            client: CategoryTable::default(),
            action: CategoryTable::default(),
            resource: CategoryTable::default(),
            levels: [0.0; LEVELS],
            failures: FailureCounts::default(),
            log_silence: Moments::default(),
            lifetimes: [IssuerLifetimes::default(); 3],
            hours: HourProfile::default(),
            usage: UsageHistory::default(),
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

    fn rescale(&mut self, factor: f32) {
        self.host.rescale(factor);
        self.prefix.rescale(factor);
        self.network.rescale(factor);
        self.country.rescale(factor);
        self.client.rescale(factor);
        self.action.rescale(factor);
        self.resource.rescale(factor);
        self.levels.iter_mut().for_each(|l| *l *= factor);
        self.failures.failed *= factor;
        self.failures.tried *= factor;
        self.log_silence.rescale(factor);
        self.lifetimes
            .iter_mut()
            .for_each(|l| l.log_secs.rescale(factor));
        self.hours.rescale(factor);
        self.relocations.rescale(factor);
        self.log_refresh.rescale(factor);
        self.hourly.log_count.rescale(factor);
        self.hourly.log_distinct.rescale(factor);
        self.journey.days *= factor;
        self.journey.jumps *= factor;
        self.journey.far_jumps *= factor;
        self.purposeless *= factor;
        self.hostless *= factor;
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
