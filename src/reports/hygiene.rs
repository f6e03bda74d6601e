//! Unused privileges and overdue rotations: as JSON and as text.

use crate::sources::time::format_day;
use credwatch_core::engine::IdentityHygiene as OfIdentity;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HygieneReport {
    /// Minimum time without use in days, up to the latest event of the shard.
    pub days: u16,
    /// Partitions included.
    pub partitions: usize,
    /// All partitions; the others are owned by other instances.
    pub of_partitions: usize,
    /// Identities with unused privileges or an overdue rotation.
    pub identities: Vec<IdentityHygieneReport>,
}

/// What could be improved about one identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityHygieneReport {
    /// The identity.
    pub identity: String,
    /// Actions with the day of their last use.
    pub unused: Vec<(String, String)>,
    /// Scopes of its credentials for which no action was observed.
    pub scopes_without_use: Vec<String>,
    /// Actions in use: a reduced set of privileges.
    pub proposed: Vec<String>,
    /// A rotation that did not come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overdue_rotation: Option<OverdueRotation>,
}

/// A rotation that did not come, by days such as `2026-03-06`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverdueRotation {
    /// The latest rotation.
    pub last: String,
    /// When the next one was due at the latest, by the intervals of the identity.
    pub due: String,
}

impl IdentityHygieneReport {
    fn has_unused(&self) -> bool {
        !self.unused.is_empty() || !self.scopes_without_use.is_empty()
    }
}

impl HygieneReport {
    /// An empty report.
    #[must_use]
    pub fn new(days: u16, partitions: usize, of_partitions: usize) -> Self {
        Self {
            days,
            partitions,
            of_partitions,
            identities: Vec::new(),
        }
    }

    /// Adds the results of one shard.
    pub fn add(&mut self, of_shard: Vec<OfIdentity>) {
        self.identities.extend(of_shard.into_iter().map(|of| {
            IdentityHygieneReport {
                identity: of.identity,
                unused: of
                    .actions
                    .into_iter()
                    .map(|(action, at)| (action, format_day(at)))
                    .collect(),
                scopes_without_use: of.scopes,
                proposed: of.still_used,
                overdue_rotation: of.overdue_rotation.map(|overdue| OverdueRotation {
                    last: format_day(overdue.last),
                    due: format_day(overdue.due),
                }),
            }
        }));
        self.sort();
    }

    /// Adds the report of another instance.
    pub fn merge(&mut self, other: Self) {
        self.partitions += other.partitions;
        self.identities.extend(other.identities);
        self.sort();
    }

    /// Overdue rotations, the one that was due first at the top.
    #[must_use]
    pub fn overdue_rotations(&self) -> Vec<Value> {
        let overdue = self.identities.iter().filter_map(|of| {
            let OverdueRotation { last, due } = of.overdue_rotation.as_ref()?;
            Some((
                due,
                json!({"identity": of.identity, "last": last, "due": due}),
            ))
        });
        let mut overdue: Vec<_> = overdue.collect();
        overdue.sort_by_key(|(due, _)| *due);
        overdue.into_iter().map(|(_, rotation)| rotation).collect()
    }

    fn sort(&mut self) {
        self.identities.sort_by(|a, b| a.identity.cmp(&b.identity));
    }
}

impl fmt::Display for HygieneReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.partitions < self.of_partitions {
            let (here, all) = (self.partitions, self.of_partitions);
            writeln!(
                f,
                "{here} of {all} partitions: query the other instances too"
            )?;
        }
        let unused = || self.identities.iter().filter(|of| of.has_unused());
        let count = unused().count();
        writeln!(
            f,
            "{count} identities have privileges not used for {} days",
            self.days
        )?;
        for of in unused() {
            writeln!(f, "\n{}", of.identity)?;
            for (action, day) in &of.unused {
                writeln!(f, "  last used {day}   {action}")?;
            }
            for scope in &of.scopes_without_use {
                writeln!(f, "  granted, never used    {scope}")?;
            }
            let proposed = match of.proposed.is_empty() {
                true => "none: disable the identity".to_owned(),
                false => of.proposed.join(", "),
            };
            writeln!(f, "  suggested              {proposed}")?;
        }
        for of in &self.identities {
            if let Some(OverdueRotation { last, due }) = &of.overdue_rotation {
                writeln!(
                    f,
                    "\n{}: rotated {last}, the next was due {due}",
                    of.identity
                )?;
            }
        }
        Ok(())
    }
}
