//! `credwatch backtest`: compares the alerts and orders of two configurations.
//!
//! Two alerts are the same if they are about one identity and were opened within `SAME_WITHIN_MS`
//! of each other: ids differ between models by design.

use crate::commands::read_records::FilePart;
use crate::commands::replay_input::{ReplayInputError, read_inputs};
use crate::config::Config;
use crate::sources::time::format_rfc3339;
use credwatch_core::engine::{Detail, Phase};
use credwatch_core::units::{EventTime, MS_PER_HOUR};
use std::fmt;
use std::path::PathBuf;

/// Alerts on one identity this close are the same.
pub const SAME_WITHIN_MS: i64 = 12 * MS_PER_HOUR;

/// An alert of one configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Raised {
    /// Identity.
    pub identity: String,
    /// Time of opening.
    pub opened: EventTime,
    /// Score when opened.
    pub score_nats: f64,
    /// Sentence of the strongest signal.
    pub reason: String,
    /// The strongest action that was ordered.
    pub action: &'static str,
}

/// Differences.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// Alerts of the old configuration.
    pub old: usize,
    /// Alerts of the new configuration.
    pub new: usize,
    /// Only the new configuration raises these.
    pub gained: Vec<Raised>,
    /// Only the old configuration raises these.
    pub lost: Vec<Raised>,
    /// Both raise these; the old configuration's alert, with the action that the new one orders.
    pub ordered_otherwise: Vec<(Raised, &'static str)>,
}

fn raised(
    config: &Config,
    inputs: &[PathBuf],
    partitions: u32,
    progress: impl FnMut(&FilePart),
) -> Result<Vec<Raised>, ReplayInputError> {
    let mut all: Vec<Raised> = Vec::new();
    read_inputs(
        config,
        inputs,
        partitions,
        Detail::Score,
        progress,
        |scored| {
            for alert in scored.alerts() {
                let actions = alert.decisions.iter().map(|d| d.guarded.action);
                let action = actions.max();
                let identity = &alert.incident.subject.id;
                let opened = alert.incident.opened;
                let known = all
                    .iter_mut()
                    .rev()
                    .find(|raised| raised.identity == *identity && raised.opened == opened);
                match (known, alert.phase, action) {
                    (Some(raised), _, Some(action)) => raised.action = action.as_str(),
                    (None, Phase::Opened, action) => all.push(Raised {
                        identity: identity.clone(),
                        opened,
                        score_nats: alert.score_nats,
                        reason: alert
                            .incident
                            .signals
                            .first()
                            .map_or_else(String::new, |lead| lead.explanation.sentence.clone()),
                        action: action.map_or("notify", |action| action.as_str()),
                    }),
                    _ => {}
                }
            }
        },
    )?;
    Ok(all)
}

/// Replays `inputs` under both configurations.
///
/// # Errors
/// An input or model cannot be read.
pub fn backtest(
    old: &Config,
    new: &Config,
    inputs: &[PathBuf],
    partitions: u32,
    mut progress: impl FnMut(&FilePart),
) -> Result<Difference, ReplayInputError> {
    let before = raised(old, inputs, partitions, &mut progress)?;
    let after = raised(new, inputs, partitions, &mut progress)?;
    Ok(compare(before, after))
}

fn compare(before: Vec<Raised>, after: Vec<Raised>) -> Difference {
    let mut difference = Difference {
        old: before.len(),
        new: after.len(),
        ..Difference::default()
    };
    let mut unmatched: Vec<Option<Raised>> = after.into_iter().map(Some).collect();
    for old in before {
        let same = |new: &Option<Raised>| {
            new.as_ref().is_some_and(|new| {
                let apart_ms = new.opened.ms_since(old.opened).abs();
                new.identity == old.identity && apart_ms <= SAME_WITHIN_MS
            })
        };
        match unmatched
            .iter_mut()
            .find(|new| same(new))
            .and_then(Option::take)
        {
            None => difference.lost.push(old),
            Some(new) if new.action != old.action => {
                difference.ordered_otherwise.push((old, new.action));
            }
            Some(_) => {}
        }
    }
    difference.gained = unmatched.into_iter().flatten().collect();
    difference
}

fn line(f: &mut fmt::Formatter<'_>, sign: char, raised: &Raised) -> fmt::Result {
    let (opened, identity) = (format_rfc3339(raised.opened), &raised.identity);
    let (score, action, reason) = (raised.score_nats, raised.action, &raised.reason);
    writeln!(
        f,
        "{sign} {opened}  {identity}  {score:.1} nats, {action}: {reason}"
    )
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (gained, lost) = (self.gained.len(), self.lost.len());
        writeln!(
            f,
            "{} alerts before, {} after: {gained} gained, {lost} lost",
            self.old, self.new
        )?;
        self.gained
            .iter()
            .try_for_each(|raised| line(f, '+', raised))?;
        self.lost
            .iter()
            .try_for_each(|raised| line(f, '-', raised))?;
        for (raised, action) in &self.ordered_otherwise {
            let (opened, identity) = (format_rfc3339(raised.opened), &raised.identity);
            writeln!(
                f,
                "~ {opened}  {identity}  {} becomes {action}",
                raised.action
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(identity: &str, hours: i64, action: &'static str) -> Raised {
        Raised {
            identity: identity.to_owned(),
            opened: EventTime::EARLIEST.saturating_add_ms(hours * MS_PER_HOUR),
            score_nats: 9.0,
            reason: String::new(),
            action,
        }
    }

    #[test]
    fn gains_losses_and_changed_orders_are_distinguished() {
        let before = vec![
            raised("a", 0, "notify"),
            raised("b", 0, "notify"),
            raised("c", 0, "notify"),
        ];
        let after = vec![
            raised("a", 2, "notify"),
            raised("b", 1, "revoke"),
            raised("d", 0, "notify"),
        ];
        let difference = compare(before, after);
        assert_eq!(difference.gained, [raised("d", 0, "notify")]);
        assert_eq!(difference.lost, [raised("c", 0, "notify")]);
        assert_eq!(
            difference.ordered_otherwise,
            [(raised("b", 0, "notify"), "revoke")]
        );
    }
}
