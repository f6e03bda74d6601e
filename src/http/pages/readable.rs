//! What can be read of a page without script, and before it runs.

use super::Page;
use crate::console::incident::IncidentSummary;
use crate::console::incident_index::{StoredIncident, most_urgent};
use crate::http::api::ConsoleService;
use credwatch_core::units::EventTime;
use maud::{Markup, html};

/// Incidents listed without script.
const LISTED: usize = 30;

/// The content of a page.
pub(super) fn content(console: &ConsoleService, page: Page, id: &str) -> Markup {
    match page {
        Page::Now => now(console),
        Page::Incident => {
            let found = console.model.with_index(|index| index.find(id).cloned());
            found.map_or_else(|| heading("Incident"), |found| incident(&found))
        }
        Page::Identity | Page::Source => heading(id),
        _ => heading(page.title()),
    }
}

fn heading(title: &str) -> Markup {
    html! { h1.wrap { (shown(title)) } div.bone {} div.bone.w {} }
}

fn now(console: &ConsoleService) -> Markup {
    let mut open: Vec<StoredIncident> = console.model.with_index(|index| {
        let mut open: Vec<&StoredIncident> =
            index.all().filter(|incident| incident.is_open()).collect();
        most_urgent(&mut open, LISTED);
        open.into_iter().cloned().collect()
    });
    html! {
        section.panel aria-label="Incidents" {
            div.tools { h1 { "Now" } }
            @if open.is_empty() {
                div.empty { h2 { "Nothing waits for you" } p { "Detection goes on." } }
            }
            ul.plain {
                @for incident in open.drain(..) {
                    li {
                        a href=(format!("/incident/{}", incident.summary.id)) {
                            (shown(&incident.summary.subject.id_with_owner()))
                        }
                        " "
                        span.dim.small {
                            (incident.summary.severity) ", " (minute(incident.summary.last))
                        }
                        div { (shown(&incident.summary.headline)) }
                    }
                }
            }
        }
    }
}

fn incident(found: &StoredIncident) -> Markup {
    let summary = &found.summary;
    let alert = found.alert();
    let details = &alert["unmapped"]["credwatch"];
    let sentence = details["reasons"][0].as_str().unwrap_or_default();
    let next = details["runbook"]["containment"][0]
        .as_str()
        .unwrap_or_default();
    html! {
        div.lead {
            div.say {
                div.crumb { a href="/" { "Now" } " / " span.mono { (summary.id.get(..6).unwrap_or_default()) }
                    span { (summary.severity) ", opened " (minute(summary.opened)) } }
                h1.wrap { (shown(&summary.headline)) }
                p.wrap { (shown(sentence)) }
            }
        }
        div.panel.answers {
            section aria-label="Who" { p.q { "Who" } p.big { (shown(&summary.subject.id)) } (who(summary)) }
            section aria-label="What" {
                p.q { "What was unusual" }
                @for signal in details["signals"].as_array().into_iter().flatten().take(3) {
                    dl.oe {
                        dt { "seen" } dd.o { (shown(signal["observed"].as_str().unwrap_or_default())) }
                        dt { "usual" } dd.mid { (shown(signal["expected"].as_str().unwrap_or_default())) }
                    }
                }
            }
            section aria-label="How sure" { p.q { "How sure" } p.big { (odds(summary.nats)) } }
            section aria-label="What was done" {
                p.q { "What was done" }
                p.small { @match &summary.order {
                    None => "Nothing: this is reported, and nobody is contained for it.",
                    Some(order) => { (order.wanted) " wanted, " (order.action) ", " (order.state) }
                } }
                p.q { "What to do next" } p.small { (shown(next)) }
            }
        }
    }
}

fn who(summary: &IncidentSummary) -> Markup {
    html! {
        dl.facts {
            dt { "Kind" } dd { (summary.subject.kind) }
            @if let Some(group) = &summary.subject.group { dt { "Group" } dd { (shown(group)) } }
            @if let Some(owner) = &summary.subject.owner { dt { "Owner" } dd { (shown(owner)) } }
        }
    }
}

/// `1 in 916` of a score in nats.
fn odds(nats: f64) -> String {
    if nats >= 27.6 {
        return "Rarer than 1 in a trillion".to_owned();
    }
    let one_in = libm::exp(nats);
    match one_in {
        n if n >= 1e9 => format!("1 in {:.1} billion", n / 1e9),
        n if n >= 1e6 => format!("1 in {:.1} million", n / 1e6),
        n => format!("1 in {n:.0}"),
    }
}

fn minute(time_ms: i64) -> String {
    let time = EventTime::from_epoch_ms(time_ms).map(crate::sources::time::format_rfc3339);
    let text = time.unwrap_or_default().replace('T', " ");
    format!("{} UTC", text.get(..16).unwrap_or_default())
}

/// A text from outside with control, bidirectional and invisible characters by number, so that a name cannot
/// dress up as another.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let is_deceptive = c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if is_deceptive {
            shown.push_str(&format!("⟨{:04X}⟩", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deceptive_characters_are_shown_by_number() {
        assert_eq!(shown("a\u{202e}gnp.exe\n"), "a⟨202E⟩gnp.exe⟨000A⟩");
        assert_eq!(shown("Zoë"), "Zoë");
    }

    #[test]
    fn odds_are_rounded() {
        assert_eq!(odds(6.82), "1 in 916");
        assert_eq!(odds(99.0), "Rarer than 1 in a trillion");
    }
}
