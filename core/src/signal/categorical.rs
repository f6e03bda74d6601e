//! Common part of the signals over values: back-off from the identity to its peers to the population.
//!
//! # Assumption, formula, source
//! See [`crate::stats::category`]. A value known to the identity is scored by the identity alone; a new value
//! by θ of the identity times its tail among the peers' adoptions, and so on upwards; at the top stands the
//! tail under the caller's prior (`NoveltyPrior`; 1 where there is none).
//!
//! # At n = 0
//! θ is 1 at every level: a new value is not surprising, and only the prior contributes. It is 1 above an
//! identity that came with a new issuer ([`ScoreContext::came_with_new_issuer`]).

use crate::baseline::label_dictionary::LabelDictionary;
use crate::enrich::{Feature, label};
use crate::signal::{LearnContext, ScoreContext, format_odds};
use crate::stats::category::{CategoryMap, CategoryTable, TailProbability};
use crate::units::Span;
use crate::verdict::{Explanation, Level, Reading};

/// Prior of a value that is new to the identity, besides its use by others.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoveltyPrior {
    /// Tail of a value that no identity uses.
    pub(super) unseen_tail: f64,
    /// Upper bound of the tail above the identity: its class is rare, whoever uses it.
    pub(super) max_tail: f64,
}

impl NoveltyPrior {
    /// No prior knowledge.
    pub(super) const NONE: Self = Self {
        unseen_tail: 1.0,
        max_tail: 1.0,
    };
}

/// The reading of `key` under the identity's `table`, its peers and the population.
pub(super) fn score_value<const N: usize>(
    key: u32,
    table: &CategoryTable<N>,
    peers: &CategoryMap,
    population: &CategoryMap,
    novelty: NoveltyPrior,
    context: &ScoreContext<'_>,
) -> Reading {
    let observations = table.observations(context.profile_weight);
    let own_rate = match table.tail_probability(key, context.profile_weight) {
        TailProbability::Known { tail, .. } => {
            return Reading::new(tail, Level::Identity, observations, key);
        }
        TailProbability::New { newcomer_rate } => newcomer_rate,
    };
    let (above, level) = match peers.tail_probability(key, context.shared_weight) {
        TailProbability::Known { tail, .. } => (tail, Level::Peers),
        TailProbability::New { newcomer_rate } => {
            let top = match population.tail_probability(key, context.shared_weight) {
                TailProbability::Known { tail, .. } => tail,
                TailProbability::New { newcomer_rate } => newcomer_rate * novelty.unseen_tail,
            };
            (newcomer_rate * top, Level::Population)
        }
    };
    let above = match context.came_with_new_issuer() {
        true => above.max(novelty.unseen_tail),
        false => above,
    };
    Reading::new(
        own_rate * above.min(novelty.max_tail),
        level,
        observations,
        key,
    )
}

/// What became of a value in learning.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Adoption {
    /// Whether it is new to the identity, and was learned.
    pub(super) is_own: bool,
    /// Weight of its adoption among the peers; 0 where they adopted nothing.
    pub(super) peer_weight: f32,
}

/// Counts `key`, and its adoption one level up where it is new.
pub(super) fn learn_value<const N: usize>(
    key: Option<u32>,
    feature: Feature,
    context: &mut LearnContext<'_>,
    table: impl FnOnce(&mut crate::baseline::profile::Profile) -> &mut CategoryTable<N>,
    map: impl Fn(&mut crate::baseline::group_baseline::GroupBaseline) -> &mut CategoryMap,
) -> Adoption {
    let mut adoption = Adoption::default();
    let (Some(key), Some(profile)) = (key, context.baselines.profile.as_deref_mut()) else {
        return adoption;
    };
    // A surprising event updates the identity's baseline not at all, and that of its peers once and with
    // little weight: a habit of many peers must not remain surprising for ever.
    if context.profile_weight <= 0.0 {
        if context.new_deviations.contains(&key) {
            let weight = UNTRUSTED_WEIGHT * context.shared_weight_now;
            adoption.peer_weight = weight;
            if map(context.baselines.peers).add(key, weight) {
                map(context.baselines.population).add(key, weight);
            }
        }
        return adoption;
    }
    if !table(profile).add(key, context.profile_weight) {
        return adoption;
    }
    let weight = context.shared_weight;
    if map(context.baselines.peers).add(key, weight) {
        map(context.baselines.population).add(key, weight);
    }
    context
        .baselines
        .names
        .intern(key, || label(context.event, feature));
    Adoption {
        is_own: true,
        peer_weight: weight,
    }
}

/// Weight of an untrusted adoption among peers.
const UNTRUSTED_WEIGHT: f32 = 0.3;
/// A known value more probable than this is described as usual.
const ROUTINE_MIN_P: f64 = 0.05;
/// Number of known values that an explanation lists.
const MAX_VALUES_SHOWN: usize = 3;

/// Known values as text: `build-17 (61 %), build-18 (38 %)`.
#[must_use]
pub fn describe_values<const N: usize>(
    table: &CategoryTable<N>,
    names: &LabelDictionary,
) -> String {
    let strongest = table.strongest();
    if strongest.is_empty() {
        return "none observed".to_owned();
    }
    let named: Vec<String> = strongest
        .iter()
        .take(MAX_VALUES_SHOWN)
        .map(|(key, share)| format!("{} ({:.0} %)", names.label(*key), share * 100.0))
        .collect();
    let rest = strongest.len().saturating_sub(MAX_VALUES_SHOWN);
    let more = if rest > 0 {
        format!(" and {rest} more")
    } else {
        String::new()
    };
    named.join(", ") + &more
}

/// Explains a value of `feature`; `what` is its noun in a sentence, such as "host".
pub(super) fn explain<const N: usize>(
    what: &str,
    feature: Feature,
    table: &CategoryTable<N>,
    context: &ScoreContext<'_>,
    reading: &Reading,
) -> Explanation {
    let observed = label(context.event, feature).into_owned();
    let expected = describe_values(table, context.labels);
    let seen = match describe_history(reading, "uses", context) {
        none if reading.observations < 0.5 => none,
        some => format!("{some}: {expected}"),
    };
    let sentence = match reading.level {
        Level::Identity if reading.p > ROUTINE_MIN_P => {
            format!("{what} {observed}, usual for this identity; {seen}")
        }
        Level::Identity => format!(
            "{what} {observed}, rare for this identity ({}); {seen}",
            format_odds(reading.p)
        ),
        Level::Peers => format!(
            "first use of {what} {observed}, used by its peers ({}); {seen}",
            format_odds(reading.p)
        ),
        Level::Population => format!(
            "first use of {what} {observed}, also new to its peers ({}); {seen}",
            format_odds(reading.p)
        ),
    };
    Explanation {
        observed,
        expected,
        sentence,
    }
}

/// The extent of the identity's history as text; `what` is what was counted.
pub(super) fn describe_history(
    reading: &Reading,
    what: &str,
    context: &ScoreContext<'_>,
) -> String {
    let observations = reading.observations;
    if observations < 0.5 {
        return "no history".to_owned();
    }
    let span = Span {
        ms: context
            .profile
            .last_seen
            .ms_since(context.profile.first_seen),
    };
    format!("about {observations:.0} {what} in {span}")
}
