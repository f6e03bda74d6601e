//! Privileges that nobody uses any more: JSON for programs, words for people.

use crate::sources::time::format_rfc3339;
use credwatch_core::engine::UnusedPrivileges as OfIdentity;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnusedPrivilegesReport {
    /// Not used for so many days, up to the latest event of the shard.
    pub days: u16,
    /// Partitions that were looked at.
    pub partitions: usize,
    /// All partitions; others are with other instances.
    pub of_partitions: usize,
    /// Identities that could do with less.
    pub identities: Vec<SuggestedPermissions>,
}

/// What one identity could do without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuggestedPermissions {
    /// Whose.
    pub identity: String,
    /// Actions with the day of their last use.
    pub unused: Vec<(String, String)>,
    /// Scopes that credentials carry, of which no action of that name was seen.
    pub scopes_without_use: Vec<String>,
    /// What it still uses: a narrower set.
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

    /// Adds what one shard knows.
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
        self.identities.sort_by(|a, b| a.identity.cmp(&b.identity));
    }
}

impl fmt::Display for UnusedPrivilegesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.partitions < self.of_partitions {
            let (here, all) = (self.partitions, self.of_partitions);
            writeln!(f, "{here} of {all} partitions: ask the other instances too")?;
        }
        let count = self.identities.len();
        writeln!(
            f,
            "{count} identities hold what nobody has used for {} days",
            self.days
        )?;
        for of in &self.identities {
            writeln!(f, "\n{}", of.identity)?;
            for (action, day) in &of.unused {
                writeln!(f, "  not since {day}   {action}")?;
            }
            for scope in &of.scopes_without_use {
                writeln!(f, "  granted, never seen   {scope}")?;
            }
            let proposed = match of.proposed.is_empty() {
                true => "nothing: disable it".to_owned(),
                false => of.proposed.join(", "),
            };
            writeln!(f, "  would do with        {proposed}")?;
        }
        Ok(())
    }
}
