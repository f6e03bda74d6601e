//! What every signal over values shares: back-off from identity to peers to population.
//!
//! # Assumption, formula, source
//! See [`crate::stats::category`]. A value known to the identity is judged by the identity alone;
//! a newcomer by θ of the identity times its tail among the peers' adoptions, and so on upwards;
//! at the top stands the tail that the caller believes ([`Belief`]; 1 where nothing is believed).
//!
//! # At n = 0
//! θ is 1 at every level: being new is no anomaly, and only the prior speaks.

use crate::baseline::label_dictionary::Names;
use crate::enrich::{Feature, text};
use crate::event::Event;
use crate::signal::{Lesson, View, one_in};
use crate::stats::category::{CategoryMap, CategoryTable, Standing};
use crate::units::Span;
use crate::verdict::{Explanation, Level, Reading};

/// What is believed of a value new to the identity, besides who else shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Belief {
    /// Tail of a value that nobody has shown.
    pub(super) unseen_tail: f64,
    /// The tail above the identity is never larger: its kind is rare, whoever shows it.
    pub(super) most: f64,
}

impl Belief {
    /// Nothing is believed.
    pub(super) const NONE: Self = Self {
        unseen_tail: 1.0,
        most: 1.0,
    };
}

/// The reading of `key` under the identity's `table`, its peers and the population.
pub(super) fn read<const N: usize>(
    key: u32,
    table: &CategoryTable<N>,
    peers: &CategoryMap,
    population: &CategoryMap,
    belief: Belief,
    view: &View<'_>,
) -> Reading {
    let observations = table.observations(view.profile_weight);
    let own_rate = match table.standing(key, view.profile_weight) {
        Standing::Known { tail, .. } => {
            return Reading::new(tail, Level::Identity, observations, key);
        }
        Standing::New { newcomer_rate } => newcomer_rate,
    };
    let (above, level) = match peers.standing(key, view.shared_weight) {
        Standing::Known { tail, .. } => (tail, Level::Peers),
        Standing::New { newcomer_rate } => {
            let top = match population.standing(key, view.shared_weight) {
                Standing::Known { tail, .. } => tail,
                Standing::New { newcomer_rate } => newcomer_rate * belief.unseen_tail,
            };
            (newcomer_rate * top, Level::Population)
        }
    };
    Reading::new(own_rate * above.min(belief.most), level, observations, key)
}

/// Counts `key`, and its adoption one level up where it was new.
pub(super) fn learn<const N: usize>(
    key: Option<u32>,
    feature: Feature,
    lesson: &mut Lesson<'_>,
    table: impl FnOnce(&mut crate::baseline::profile::Profile) -> &mut CategoryTable<N>,
    map: impl Fn(&mut crate::baseline::group_baseline::Collective) -> &mut CategoryMap,
) -> bool {
    let (Some(key), Some(profile)) = (key, lesson.learnt.profile.as_deref_mut()) else {
        return false;
    };
    // What surprised us teaches the identity nothing. Its peers take note of it, once and with
    // little weight: what many of them come to do is not news for ever.
    if lesson.profile_weight <= 0.0 {
        if lesson.fresh_facts.contains(&key) {
            let weight = HEARSAY_SHARE * lesson.shared_weight_now;
            if map(lesson.learnt.peers).add(key, weight) {
                map(lesson.learnt.population).add(key, weight);
            }
        }
        return false;
    }
    let proof = proof(lesson.event);
    if !table(profile).add(key, proof * lesson.profile_weight) {
        return false;
    }
    let weight = proof * lesson.shared_weight;
    if map(lesson.learnt.peers).add(key, weight) {
        map(lesson.learnt.population).add(key, weight);
    }
    lesson
        .learnt
        .names
        .remember(key, || text(lesson.event, feature));
    true
}

/// How far an event shows that the identity itself was there. Anybody can fail to log in as somebody.
fn proof(event: &Event<'_>) -> f32 {
    if event.is_failed_login() {
        FAILED_LOGIN_SHARE
    } else {
        1.0
    }
}

/// What a failed login weighs: not nothing, for what fails every night from one place is no news.
const FAILED_LOGIN_SHARE: f32 = 0.1;
/// What an untrusted adoption weighs among peers.
const HEARSAY_SHARE: f32 = 0.3;
/// A known value more probable than this is called usual.
const USUAL_FROM_P: f64 = 0.05;
/// How many known values an explanation names.
const VALUES_NAMED: usize = 3;

/// Known values in words: `build-17 (61 %), build-18 (38 %)`.
#[must_use]
pub fn in_words<const N: usize>(table: &CategoryTable<N>, names: &Names) -> String {
    let strongest = table.strongest();
    if strongest.is_empty() {
        return "nothing known".to_owned();
    }
    let named: Vec<String> = strongest
        .iter()
        .take(VALUES_NAMED)
        .map(|(key, share)| format!("{} ({:.0} %)", names.show(*key), share * 100.0))
        .collect();
    let rest = strongest.len().saturating_sub(VALUES_NAMED);
    let more = if rest > 0 {
        format!(" and {rest} more")
    } else {
        String::new()
    };
    named.join(", ") + &more
}

/// Explains a value of `feature`; `what` names it in a sentence, such as "host".
pub(super) fn explain<const N: usize>(
    what: &str,
    feature: Feature,
    table: &CategoryTable<N>,
    view: &View<'_>,
    reading: &Reading,
) -> Explanation {
    let observed = text(view.event, feature).into_owned();
    let expected = in_words(table, view.names);
    let seen = match history(reading, "uses", view) {
        none if reading.observations < 0.5 => none,
        some => format!("{some}: {expected}"),
    };
    let sentence = match reading.level {
        Level::Identity if reading.p > USUAL_FROM_P => {
            format!("{what} {observed}, usual for it; {seen}")
        }
        Level::Identity => format!(
            "{what} {observed}, known but rare for it ({}); {seen}",
            one_in(reading.p)
        ),
        Level::Peers => format!(
            "first use of {what} {observed}, which its peers know ({}); {seen}",
            one_in(reading.p)
        ),
        Level::Population => format!(
            "first use of {what} {observed}, new to its peers too ({}); {seen}",
            one_in(reading.p)
        ),
    };
    Explanation {
        observed,
        expected,
        sentence,
    }
}

/// How much is known of the identity, in words; `what` names what was counted.
pub(super) fn history(reading: &Reading, what: &str, view: &View<'_>) -> String {
    let observations = reading.observations;
    if observations < 0.5 {
        return "no history of its own".to_owned();
    }
    let span = Span {
        ms: view.profile.last_seen.ms_since(view.profile.first_seen),
    };
    format!("in about {observations:.0} {what} over {span}")
}
