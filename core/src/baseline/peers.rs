//! Learned peer groups, for identities whose events name no group: peers perform the same actions on the
//! same hosts.
//!
//! # Formula
//! The set of an identity is its usual actions and those usual hosts that other identities use too. The
//! element with the smallest hash names the group, so two identities share a group with the probability of
//! their sets' Jaccard similarity. It is recomputed once a day.
//!
//! # At n = 0
//! All identities of the kind, until `MIN_EVENTS` were observed. Cost: a sort of two small tables, once a
//! day.
//!
//! # Source
//! Broder, "On the resemblance and containment of documents", SEQUENCES 1997.

use crate::baseline::group_baseline::GroupBaseline;
use crate::baseline::profile::Profile;
use crate::stats::hash::hash64;

const ELEMENT_SPACE: u64 = 0x9e;
/// Minimum number of events from which habits are derived.
const MIN_EVENTS: u32 = 30;
/// Minimum share of the uses for a value to be usual.
const MIN_HABIT_SHARE: f64 = 0.05;
/// Minimum number of identities for a host to be shared.
const MIN_SHARING_IDENTITIES: f64 = 2.0;

/// The learned group of an identity; 0 while there is none.
#[must_use]
pub fn learned_group(profile: &Profile, population: &GroupBaseline, shared_weight: f32) -> u32 {
    if profile.events < MIN_EVENTS {
        return 0;
    }
    let usual = |all: Vec<(u32, f64)>| {
        all.into_iter()
            .filter(|(_, share)| *share >= MIN_HABIT_SHARE)
    };
    let is_shared =
        |host: u32| population.host.weight(host, shared_weight) >= MIN_SHARING_IDENTITIES;
    let actions = usual(profile.action.strongest()).map(|(key, _)| (0u8, key));
    let hosts = usual(profile.host.strongest()).filter(|(key, _)| is_shared(*key));
    let element = |(space, key): (u8, u32)| {
        let mut bytes = [space; 5];
        bytes[1..].copy_from_slice(&key.to_le_bytes());
        (hash64(ELEMENT_SPACE, &bytes) as u32).max(1)
    };
    let elements = actions.chain(hosts.map(|(key, _)| (1, key))).map(element);
    elements.min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::EventTime;

    fn profile(actions: &[u32], hosts: &[u32]) -> Profile {
        let mut profile = Profile::new(EventTime::EARLIEST);
        profile.events = 100;
        for key in actions {
            profile.action.add(*key, 1.0);
        }
        for key in hosts {
            profile.host.add(*key, 1.0);
        }
        profile
    }

    #[test]
    fn identities_with_the_same_habits_share_a_group_whatever_their_private_hosts() {
        let everyone = GroupBaseline::new(100);
        let group = |actions: &[u32], hosts: &[u32]| {
            learned_group(&profile(actions, hosts), &everyone, 1.0)
        };
        assert_eq!(group(&[1, 2, 3], &[7]), group(&[3, 2, 1], &[8]));
        assert_ne!(group(&[1, 2, 3], &[]), 0);
        assert_eq!(
            group(&[], &[7]),
            0,
            "no usual value that others could share"
        );
    }

    #[test]
    fn groups_are_shared_with_the_probability_of_jaccard_similarity() {
        let everyone = GroupBaseline::new(100);
        let mut same = 0;
        for n in 0..2_000u32 {
            let (a, b) = (10 * n..10 * n + 6, 10 * n + 2..10 * n + 8);
            let [a, b] = [a, b].map(|keys| {
                learned_group(&profile(&keys.collect::<Vec<_>>(), &[]), &everyone, 1.0)
            });
            same += u32::from(a == b);
        }
        // Four of eight elements are shared.
        assert!((f64::from(same) / 2_000.0 - 0.5).abs() < 0.04, "{same}");
    }

    #[test]
    fn new_identities_belong_to_the_group_of_their_kind() {
        let mut young = profile(&[1, 2], &[]);
        young.events = 5;
        assert_eq!(learned_group(&young, &GroupBaseline::new(8), 1.0), 0);
    }
}
