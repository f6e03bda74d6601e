//! Unused privileges: as JSON and as text.

use crate::sources::time::format_rfc3339;
use credwatch_core::engine::UnusedPrivileges as OfIdentity;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnusedPrivilegesReport {
    /// Minimum time without use in days, up to the latest event of the shard.
    pub days: u16,
    /// Partitions included.
    pub partitions: usize,
    /// All partitions; the others are owned by other instances.
    pub of_partitions: usize,
    /// Identities with unused privileges.
    pub identities: Vec<SuggestedPermissions>,
}

/// Unused privileges of one identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuggestedPermissions {
    /// The identity.
    pub identity: String,
    /// Actions with the day of their last use.
    pub unused: Vec<(String, String)>,
    /// Scopes of its credentials for which no action was observed.
    pub scopes_without_use: Vec<String>,
    /// Actions in use: a reduced set of privileges.
    pub proposed: Vec<String>,
}

impl UnusedPrivilegesReport {
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
            let day = |(action, at)| (action, format_rfc3339(at)[..10].to_owned());
            SuggestedPermissions {
                identity: of.identity,
                unused: of.actions.into_iter().map(day).collect(),
                scopes_without_use: of.scopes,
                proposed: of.still_used,
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

    fn sort(&mut self) {
        self.identities.sort_by(|a, b| a.identity.cmp(&b.identity));
    }
}

impl fmt::Display for UnusedPrivilegesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.partitions < self.of_partitions {
            let (here, all) = (self.partitions, self.of_partitions);
            writeln!(
                f,
                "{here} of {all} partitions: query the other instances too"
            )?;
        }
        let count = self.identities.len();
        writeln!(
            f,
            "{count} identities have privileges not used for {} days",
            self.days
        )?;
        for of in &self.identities {
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
        Ok(())
    }
}
