//! Whether the names of an identity's hosts turn over: replicas of a deployment get a new name each time, a
//! laptop keeps its own.
//!
//! Each new name of the family seen last counts, decayed as a baseline. From a few on (`min_names`, by kind
//! of identity), the family is the host of this identity; below, each name is a host of its own, and a
//! machine that is named by the same scheme is another machine.

use crate::event::IdentityKind;
use crate::stats::decayed::decayed_struct;
use borsh::{BorshDeserialize, BorshSerialize};

/// New names of one family from which they turn over: replicas of a workload have generated names by nature,
/// so that a family counts from its first name on; people change their machine seldom.
fn min_names(kind: IdentityKind) -> f32 {
    match kind {
        IdentityKind::Workload => 0.0,
        IdentityKind::Service | IdentityKind::Automation => 1.0,
        IdentityKind::Human => 3.0,
    }
}

/// Below this, another family is followed.
const MIN_KEPT_NAMES: f32 = 0.5;

decayed_struct! {
    /// The family of generated host names seen last, and how often it had a new name.
    #[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
    pub struct HostNames {
        /// Key of the family; 0 while there is none.
        fixed family: u32,
        /// New names, forward-decayed.
        decayed names: f32,
    }
}

/// Keys of a host: of its name, and of the family where the name has generated parts.
#[derive(Clone, Copy, Debug)]
pub struct HostKeys {
    /// Of the name.
    pub name: Option<u32>,
    /// Of the family.
    pub family: Option<u32>,
}

impl HostNames {
    /// The host as an identity of `kind` knows it: the family of its name where names turn over.
    #[must_use]
    pub fn host(&self, kind: IdentityKind, host: HostKeys, weight_now: f32) -> Option<u32> {
        let least = min_names(kind) * weight_now;
        let is_turning =
            |family: &u32| least <= 0.0 || self.family == *family && self.names >= least;
        host.family.filter(is_turning).or(host.name)
    }

    /// Counts a name of `family`, `is_new` where the identity has not used it.
    pub fn add(&mut self, family: u32, is_new: bool, weight: f32, weight_now: f32) {
        if self.family == family {
            self.names += if is_new { weight } else { 0.0 };
        } else if self.names < MIN_KEPT_NAMES * weight_now {
            *self = Self { family, names: 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn host(family: u32) -> HostKeys {
        HostKeys {
            name: Some(1),
            family: Some(family),
        }
    }

    #[test]
    fn names_turn_over_once_enough_of_them_are_new() {
        for (kind, least) in [(IdentityKind::Human, 3), (IdentityKind::Service, 1)] {
            let mut names = HostNames::default();
            names.add(7, true, 1.0, 1.0);
            for _ in 0..least {
                assert_eq!(names.host(kind, host(7), 1.0), Some(1));
                names.add(7, true, 1.0, 1.0);
                names.add(7, false, 1.0, 1.0);
            }
            assert_eq!(names.host(kind, host(7), 1.0), Some(7));
            assert_eq!(names.host(kind, host(8), 1.0), Some(1));
            names.add(8, true, 1.0, 1.0);
            assert_eq!(names.host(kind, host(7), 1.0), Some(7), "it stays");
            assert_eq!(names.host(kind, host(7), 4.0), Some(1), "it is forgotten");
        }
    }

    #[test]
    fn replicas_of_a_workload_are_one_host_from_the_start() {
        let names = HostNames::default();
        assert_eq!(names.host(IdentityKind::Workload, host(7), 1.0), Some(7));
    }
}
