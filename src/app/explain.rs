//! `credwatch explain`: one identity's baseline in words and numbers, and what an event would score.

use crate::app::lanes::{Lanes, LanesError};
use crate::config::Config;
use crate::engine::{Detail, Portrait};
use crate::file::state::{StateError, StateFolder};
use crate::file::{self, InputError};
use crate::ingest::expand;
use crate::units::Span;
use crate::verdict::{SignalVerdict, Verdict};
use crate::wire::format::{guess, head};
use crate::wire::time::format_rfc3339;
use std::fmt;
use std::path::Path;

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// There are no shards to ask.
    #[error(transparent)]
    Lanes(#[from] LanesError),
    /// The events cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Nobody of that name.
    #[error(
        "nothing is known of `{0}`: it was never seen, or gave way to others; check the spelling"
    )]
    Unknown(String),
    /// The events are of others.
    #[error("{0} holds no readable event of this identity")]
    NoEvent(String),
}

/// What an event of the identity would mean.
#[derive(Debug)]
pub struct Judged {
    /// The event.
    pub event_id: String,
    /// Its verdict, the strongest signals first.
    pub verdict: Verdict,
    /// Where alerts begin.
    pub threshold_nats: f64,
}

/// What is known of an identity, and what events of it would mean.
#[derive(Debug)]
pub struct Explained {
    portrait: Option<Portrait>,
    events: Vec<Judged>,
}

/// Explains `identity` by the state in `folder`; with `events`, also what each event in that file
/// would score. Nothing is learned and nothing written.
///
/// # Errors
/// There is no such state, nothing is known, or no event can be read.
pub fn explain(
    config: &Config,
    folder: &Path,
    identity: &str,
    events: Option<&Path>,
) -> Result<Explained, ExplainError> {
    let folder = StateFolder::new(folder);
    let mut lanes = Lanes::open(config, folder.partitions()?, Some(&folder))?;
    let portrait = lanes.portrait(identity);
    let events = match events {
        None if portrait.is_none() => return Err(ExplainError::Unknown(identity.to_owned())),
        None => Vec::new(),
        Some(path) => judge(&mut lanes, identity, path)?,
    };
    Ok(Explained { portrait, events })
}

fn judge(lanes: &mut Lanes, identity: &str, path: &Path) -> Result<Vec<Judged>, ExplainError> {
    let document = file::open(path)?.rest()?;
    let mut judged = Vec::new();
    for item in expand(&document, guess(head(&document))) {
        let Ok(native) = item.outcome else { continue };
        if native.key().is_ok_and(|key| key != identity) {
            continue;
        }
        let threshold_nats = lanes.threshold_nats(identity);
        let Ok((_, handled)) = lanes.handle(&native, Detail::Words) else {
            continue;
        };
        if let Some(mut verdict) = handled.stepped.verdict {
            let strength = |signal: &SignalVerdict| signal.reading.p;
            verdict
                .signals
                .sort_by(|a, b| strength(a).total_cmp(&strength(b)));
            judged.push(Judged {
                event_id: handled.event.event_id.clone().into_owned(),
                verdict,
                threshold_nats,
            });
        }
    }
    if judged.is_empty() {
        return Err(ExplainError::NoEvent(path.display().to_string()));
    }
    Ok(judged)
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.portrait {
            Some(portrait) => write_portrait(f, portrait)?,
            None => writeln!(
                f,
                "Nothing is known of this identity: its peers speak for it."
            )?,
        }
        self.events
            .iter()
            .try_for_each(|event| write_event(f, event))
    }
}

fn write_portrait(f: &mut fmt::Formatter<'_>, portrait: &Portrait) -> fmt::Result {
    let span = Span {
        ms: portrait.last_seen.ms_since(portrait.first_seen),
    };
    writeln!(f, "{}", portrait.id)?;
    writeln!(
        f,
        "  {} events over {span}, {} to {}; the baseline rests on about {:.0} of them",
        portrait.events,
        format_rfc3339(portrait.first_seen),
        format_rfc3339(portrait.last_seen),
        portrait.observations,
    )?;
    for (what, words) in &portrait.habits {
        writeln!(f, "  {what:<15} {words}")?;
    }
    match &portrait.case {
        None => writeln!(f, "  no running case")?,
        Some(case) => {
            write!(
                f,
                "  running case with {:.1} nats of evidence",
                case.evidence_nats
            )?;
            match &case.alert {
                None => writeln!(f, ", no alert")?,
                Some((id, true)) => writeln!(f, ", open alert {id}")?,
                Some((id, false)) => writeln!(f, ", closed alert {id}")?,
            }
        }
    }
    writeln!(
        f,
        "  alerts begin at {:.1} nats, {:.0} % learned",
        portrait.threshold_nats,
        100.0 * portrait.threshold_learned_share,
    )
}

fn write_event(f: &mut fmt::Formatter<'_>, event: &Judged) -> fmt::Result {
    let verdict = &event.verdict;
    let would = if verdict.score_nats >= event.threshold_nats {
        "reaches"
    } else {
        "stays below"
    };
    writeln!(
        f,
        "\nevent {}: scores {:.1} nats ({:.1} by itself), which {would} the threshold of {:.1}",
        event.event_id, verdict.score_nats, verdict.event_nats, event.threshold_nats,
    )?;
    for signal in &verdict.signals {
        let nats = signal.reading.surprise_nats();
        let sentence = &signal.explanation.sentence;
        writeln!(
            f,
            "  {:<14} {nats:>5.1} nats  {sentence}",
            signal.name.as_str()
        )?;
    }
    Ok(())
}
