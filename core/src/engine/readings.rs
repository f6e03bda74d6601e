//! Evaluates the enabled signals for an event.

use super::Engine;
use crate::event::{Activity, Attribution, Event, Outcome};
use crate::score::deviation::Deviations;
use crate::signal::{SIGNALS, ScoreContext, Signal, score_all};
use crate::verdict::{EntityView, Explanation, Reading, SignalName, SignalVerdict};
use arrayvec::ArrayVec;

/// The readings of the signals that did not abstain, with their index in [`SIGNALS`].
pub(super) type Readings = ArrayVec<(usize, Reading), { SIGNALS.len() }>;

impl Engine {
    /// The signals enabled for `event`.
    pub(super) fn enabled_for(&self, event: &Event<'_>) -> u32 {
        match event.attribution() {
            Attribution::Anyone => self.scoring.enabled_for_anyone,
            Attribution::Holder | Attribution::Platform => self.scoring.enabled,
        }
    }
}

/// Signals of the source view: a source has no credentials, hosts or habits.
const SOURCE_SIGNALS: [SignalName; 3] = [SignalName::Rate, SignalName::Failure, SignalName::FanOut];
/// Decayed number of successes from which a network is usual for an identity.
const MIN_KNOWN_SUCCESSES: f64 = 0.9;
/// Decayed number of uses from which the origin of an identity is known.
const MIN_PLACED_USES: f64 = 2.5;

/// Whether this network is usual for the identity, or it signed in and its origin is not known yet.
/// Networks rather than autonomous systems: the latter are shared with strangers.
#[inline]
pub(super) fn is_known_source(context: &ScoreContext<'_>) -> bool {
    if context.event.activity != Activity::Authenticate {
        return false;
    }
    let (prefixes, weight) = (&context.profile.prefix, context.profile_weight);
    let known = context.features.prefix;
    let count = known.map_or(0.0, |prefix| prefixes.count(prefix, weight));
    let signed_in = context.event.outcome == Outcome::Success;
    count >= MIN_KNOWN_SUCCESSES || signed_in && prefixes.observations(weight) < MIN_PLACED_USES
}

/// The enabled signals of the view, and those of them for events that anyone can cause: where somebody failed
/// to sign in says nothing about the identity that he named.
pub(super) fn signal_masks(entity: EntityView, off: &[SignalName]) -> (u32, u32) {
    let all: Vec<SignalName> = SIGNALS.iter().map(|signal| signal.name()).collect();
    match entity {
        EntityView::Identity => (mask(&all, off), mask(&[SignalName::Failure], off)),
        EntityView::Source => (mask(&SOURCE_SIGNALS, off), mask(&SOURCE_SIGNALS, off)),
    }
}

fn mask(suitable: &[SignalName], off: &[SignalName]) -> u32 {
    let on = |(_, signal): &(usize, &&dyn Signal)| {
        let name = signal.name();
        suitable.contains(&name) && !off.contains(&name)
    };
    let on = SIGNALS.iter().enumerate().filter(on);
    on.fold(0, |bits, (at, _)| bits | 1 << at)
}

/// The reading of each enabled signal.
#[inline]
pub(super) fn read_signals(context: &ScoreContext<'_>, on: u32) -> Readings {
    let mut readings = Readings::new();
    score_all(context, on, |at, reading| readings.push((at, reading)));
    readings
}

/// The contribution of each reading. A sentence states the odds that count, not those of one signal alone.
pub(super) fn verdicts(
    context: &ScoreContext<'_>,
    readings: &Readings,
    deviations: &Deviations,
    in_words: bool,
) -> Vec<SignalVerdict> {
    let nats_of = |(at, reading): &(usize, Reading)| {
        let deviation = deviations.iter().find(|deviation| deviation.signal == *at);
        deviation.map_or(reading.surprise_nats(), |deviation| deviation.nats)
    };
    let verdict = |read: &(usize, Reading)| {
        let (at, reading) = *read;
        let nats = nats_of(read);
        let shown = Reading {
            p: reading.p.max(libm::exp(-nats)),
            ..reading
        };
        SignalVerdict {
            name: SIGNALS[at].name(),
            reading,
            nats,
            explanation: if in_words {
                SIGNALS[at].explain(context, &shown)
            } else {
                Explanation::default()
            },
        }
    };
    readings.iter().map(verdict).collect()
}
